"""Reports, charts, the index and the documents, made from the `run.json` files alone.

Nothing in them depends on when they were made: a second time changes no byte.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from loadtests.ladder import report as ladder
from loadtests.record import Run, write_atomically
from loadtests.report import figures, form, pages, results, sections
from loadtests.report.canvas import Chart
from loadtests.report.cells import Table
from loadtests.report.parts import Part, split
from loadtests.report.quote import WrongMarker
from loadtests.report.results import Climbed, Entry, Results
from loadtests.report.sections import capacity

HEADLINE_PROFILE = "standard"
HEADLINE_CHART = "requests"
CAPACITY = "capacity"
BEGIN = "<!-- newest standard run: begin -->"
END = "<!-- newest standard run: end -->"


class ReportError(Exception):
    """What could not be built; a line for each."""


@dataclass(frozen=True)
class Told:
    """A part of a run as its report tells it."""

    part: Part
    finding: str
    tables: list[Table]
    charts: list[Chart]
    terms: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Rebuilt:
    """The folders whose reports were rewritten, and a line for each figure not measured yet."""

    folders: list[Path]
    unmeasured: list[str]


def tell(run: Run) -> list[Told]:
    """Its parts, with their charts drawn: nearly all of the time that a report takes."""
    return [_told(part) for part in split(run)]


def write(folder: Path, run: Run, told: list[Told], among: Path) -> None:
    """Write `report.md`, `report.html` and the charts of `run` beside its `run.json` in `folder`.

    An interrupted run is reported as far as it went. Where it is the newest standard run
    `among` the results, it gets the form for advice.
    """
    # For the form all results are read: only for who may get it.
    loaded = any(one.part.kind == "delay" for one in told)
    _write(Entry(folder, run), told, form.of(results.read(among)) if loaded else None)


def rebuild(folder: Path, readme: Path | None, documents: list[Path] | None = None) -> Rebuilt:
    """Rewrite all reports in `folder`, its index, the README's results, and figures in documents.

    Whatever cannot be built is left as it is, the rest is built, and then
    ReportError says what it was.
    """
    found = results.read(folder)
    wrong = list(found.wrong)
    advice = form.of(found)
    told = {entry.folder: tell(entry.run) for entry in found.entries}
    for entry in found.entries:
        _write(entry, told[entry.folder], advice)
    for climbed in found.climbed:
        ladder.write(climbed.folder)
    listed: list[Entry | Climbed] = [*found.entries, *found.climbed]
    listed.sort(key=lambda one: (one.started_at, one.folder.name), reverse=True)
    write_atomically(folder / "README.md", pages.markdown("index.md.j2", entries=listed))
    unmeasured = []
    for document in documents or []:
        try:
            unmeasured += figures.fill(document, found)
        except WrongMarker as error:
            wrong.append(str(error))
    if readme is not None:
        try:
            _write_readme(readme, found, told)
        except ReportError as error:
            wrong.append(str(error))
    if wrong:
        raise ReportError("\n".join(wrong))
    return Rebuilt([one.folder for one in listed], unmeasured)


def _told(part: Part) -> Told:
    section = sections.of(part)
    return Told(
        part, section.finding(part), section.tables(part), section.charts(part), section.terms
    )


def _write(entry: Entry, told: list[Told], advice: form.Form | None) -> None:
    for chart in (chart for one in told for chart in one.charts):
        write_atomically(entry.folder / f"{chart.name}.svg", chart.svg)
    own = advice if advice and advice.folder == entry.folder.name else None
    html = pages.html("report.html.j2", run=entry.run, told=told, advice=own)
    markdown = pages.markdown("report.md.j2", run=entry.run, told=told)
    write_atomically(entry.folder / "report.html", html)
    write_atomically(entry.folder / "report.md", markdown)


def _comparable(headline: tuple[Entry, Told], newest: dict[str, tuple[Entry, Told]]) -> bool:
    """Whether there is a capacity of the same machine, runtime and delay."""
    if CAPACITY not in newest:
        return False
    run, other = headline[0].run, newest[CAPACITY][0].run
    delays = {one.part.settings["delay_s"] for one in (headline[1], newest[CAPACITY][1])}
    return (
        run.machine["name"] == other.machine["name"]
        and run.runtime == other.runtime
        and len(delays) == 1
    )


def _with_capacity(told: Told, other: Told | None) -> list[Table]:
    """The tables of the headline, with the capacity of each service before their requests/s."""
    if other is None:
        return told.tables
    found = capacity.cells(other.part)
    return [
        table.with_column("requests/s", ("capacity", "requests/s"), found) for table in told.tables
    ]


def _write_readme(readme: Path, found: Results, told: dict[Path, list[Told]]) -> None:
    """Replace what stands between the markers by the newest results."""
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ReportError(
            f"{readme}: the lines {BEGIN} and {END} must be there, once, in this order"
        )

    def link(folder: Path) -> str:
        return Path(os.path.relpath(folder, readme.parent)).as_posix()

    newest = {
        profile: (entry, next(one for one in told[entry.folder] if one.part.name == profile))
        for profile, (entry, _) in found.profiles().items()
    }
    headline = newest.pop(HEADLINE_PROFILE, None)
    beside = newest.get(CAPACITY) if headline and _comparable(headline, newest) else None
    block = pages.markdown(
        "headline.md.j2",
        headline=headline,
        tables=_with_capacity(headline[1], beside and beside[1]) if headline else [],
        capacity=beside,
        others=list(newest.values()),
        climbed=next(iter(found.climbed), None),
        chart_name=HEADLINE_CHART,
        link=link,
    )
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    write_atomically(readme, f"{before}{BEGIN}\n{block}{after}")
