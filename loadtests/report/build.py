"""Reports, charts, the index and the documents, made from the `run.json` files alone.

Nothing in them depends on when they were made: a second time changes no byte.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from loadtests import catalog
from loadtests.bench.rejudge import rejudge
from loadtests.bench.rules import VERSION
from loadtests.errors import Failure
from loadtests.ladder import report as ladder
from loadtests.record import Run, save, write_atomically
from loadtests.report import index, overview, sections
from loadtests.report.charts.chart import Chart
from loadtests.report.documents import figures
from loadtests.report.documents.quote import WrongMarker
from loadtests.report.pages import form, rendering
from loadtests.report.results import facts, stored
from loadtests.report.results.parts import Part, split
from loadtests.report.results.stored import Entry, Results
from loadtests.report.section import PERFECT_SERVICE
from loadtests.report.tables.cells import Table


class ReportError(Failure):
    """The reports that could not be built; a line for each."""


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
    """The folders whose reports were rewritten, and a line for each figure not measured yet.

    `judged` has one for each run that was judged anew.
    """

    folders: list[Path]
    unmeasured: list[str]
    judged: list[str]


def tell(run: Run) -> list[Told]:
    """Its parts, with their charts declared."""
    return [_told(part) for part in split(run)]


def write(folder: Path, run: Run, told: list[Told], among: Path) -> None:
    """Write `report.md`, `report.html` and the charts of `run` beside its `run.json` in `folder`.

    An interrupted run is reported as far as it went. Where it is the newest standard run
    `among` the results, it gets the form for advice.
    """
    # For the form all results are read: only for who may get it.
    loaded = any(one.part.kind == "delay" for one in told)
    _write(Entry(folder, run), told, form.of(stored.read(among)) if loaded else None)


def rebuild(folder: Path, documents: Iterable[Path] = (), judge_all: bool = False) -> Rebuilt:
    """Rewrite all reports in `folder`, its index, and what documents quote.

    Runs that older rules have judged are judged anew before, or `judge_all`.
    Whatever cannot be built is left as it is, the rest is built, and then
    ReportError says what it was.
    """
    found = stored.read(folder)
    judged = _judged_anew(found, judge_all)
    wrong = list(found.wrong)
    advice = form.of(found)
    for entry in found.entries:
        _write(entry, tell(entry.run), advice)
    for climbed in found.climbed:
        ladder.write(climbed.folder)
    index.write(folder, found)
    unmeasured = []
    for document in documents:
        try:
            unmeasured += figures.fill(document, found)
        except WrongMarker as error:
            wrong.append(str(error))
    if wrong:
        raise ReportError("\n".join(wrong))
    folders = [entry.folder for entry in found.entries]
    folders += [climbed.folder for climbed in found.climbed]
    return Rebuilt(folders, unmeasured, judged)


def _judged_anew(found: Results, all_of_them: bool) -> list[str]:
    """A line for each run that was judged by the rules of today and written."""
    said = []
    for entry in found.entries:
        before = entry.run.rules
        if before < VERSION or all_of_them:
            changed = rejudge(entry.run)
            save(entry.run, entry.folder / "run.json")
            said.append(
                f"{entry.folder.name}: judged by rules {VERSION} instead of {before}: "
                f"{changed} of {len(entry.run.points)} points changed"
            )
    return said


def _told(part: Part) -> Told:
    section = sections.of(part)
    straight = (PERFECT_SERVICE,) if part.settings.get("perfect") else ()
    charts = section.charts(part)
    twice = [name for name, number in Counter(one.name for one in charts).items() if number > 1]
    if twice:  # one picture would be written over the other
        raise ReportError(f"{part.name}: several charts are named {', '.join(twice)}")
    return Told(
        part,
        section.finding(part),
        section.tables(part),
        charts,
        section.terms + straight,
    )


def _write(entry: Entry, told: list[Told], advice: form.Form | None) -> None:
    whole = overview.chart(entry.run, [one.part for one in told])
    charts = [*([whole] if whole else []), *(chart for one in told for chart in one.charts)]
    for chart in charts:
        write_atomically(entry.folder / f"{chart.name}.svg", chart.svg)
    own = advice if advice and advice.folder == entry.folder.name else None
    sources = _sources(entry)
    values = {"run": entry.run, "told": told, "overview": whole, "sources": sources}
    html = rendering.html("report.html.j2", **values, advice=own)
    markdown = rendering.markdown("report.md.j2", **values)
    write_atomically(entry.folder / "report.html", html)
    write_atomically(entry.folder / "report.md", markdown)


def _sources(entry: Entry) -> dict[str, str]:
    """Links from a report within this checkout to the folders of its services."""
    folder = entry.folder.resolve()
    if not folder.is_relative_to(catalog.ROOT):
        return {}
    named = [name for name in facts.services(entry.run) if name in catalog.names()]
    return {name: _relative(catalog.load(name).folder, folder) for name in named}


def _relative(target: Path, folder: Path) -> str:
    return Path(os.path.relpath(target, folder)).as_posix()
