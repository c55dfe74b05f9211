"""Measured numbers in documents: what stands between two comments comes from the newest result.

    <!-- figure: standard sanic 1000-users efficiency -->35.1 %<!-- /figure -->
    <!-- table: pollers -->…<!-- /table -->
    <!-- chart: pollers crowd -->…<!-- /chart -->

A figure names a profile (or a kind of workload, or `ladder`), a service (a rung),
a part of the scenario's name (`all` where there is but one; of the ladder the
delay, `0.1s`), a field, and if need be a format. Comments in code are left alone.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from loadtests import catalog
from loadtests.bench import profiles
from loadtests.bench.kinds import KINDS
from loadtests.record import write_atomically
from loadtests.report import pages, quote, sections
from loadtests.report.cells import Table
from loadtests.report.parts import Part
from loadtests.report.quote import WrongMarker
from loadtests.report.results import Results

NOT_YET = "not measured yet"
WORDS = {
    "figure": "a profile, a service, a scenario, a field and perhaps a format",
    "table": "a profile",
    "chart": "a profile and the name of a chart",
}
_code = r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[^\n]*$|(?P<ticks>`+)[^`].*?(?P=ticks)"
_marker = re.compile(
    rf"(?P<code>{_code})"
    r"|(?P<begin><!--\s*(?P<kind>figure|table|chart):(?P<words>(?:(?!-->).)*)-->)"
    r"(?:(?!<!--).)*(?P<end><!--\s*/(?P=kind)\s*-->)"
    r"|(?P<alone><!--\s*/?(?:figure|table|chart)\b)",
    re.DOTALL | re.MULTILINE,
)
# A comment that begins a line ends the paragraph before it, for Markdown.
_line_start = re.compile(r"[ \t>]*(?:[-*+]|\d+[.)])?[ \t]*")


def fill(document: Path, results: Results) -> list[str]:
    """Write the newest numbers between the markers of `document`, atomically.

    Returns a line for each marker that no result fills yet. WrongMarker, with a
    line for each that cannot be understood, leaves the document as it is.
    """
    text = document.read_text()
    unmeasured: list[str] = []
    wrong: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        if match["code"]:
            return match[0]
        place = f"{_shown(document)}:{text.count(chr(10), 0, match.start()) + 1}"
        before = text[text.rfind("\n", 0, match.start()) + 1 : match.start()]
        try:
            if match["alone"]:
                raise WrongMarker("the comment that begins or ends this one is missing")
            words = match["words"].split()
            if match["kind"] == "figure" and _line_start.fullmatch(before):
                raise WrongMarker("put a word before a figure, which must not begin a line")
            written = _text(match["kind"], words, results, document)
        except WrongMarker as error:
            wrong.append(f"{place}: {error}")
            return match[0]
        if written is None:
            unmeasured.append(f"{place}: {NOT_YET}: {match['kind']} {' '.join(words)}")
            written = NOT_YET if match["kind"] == "figure" else f"\n\n*{NOT_YET}*\n\n"
        return f"{match['begin']}{written}{match['end']}"

    filled = _marker.sub(replaced, text)
    if wrong:
        raise WrongMarker("\n".join(wrong))
    if filled != text:
        write_atomically(document, filled)
    return unmeasured


def _shown(document: Path) -> Path:
    return document.relative_to(catalog.ROOT) if document.is_relative_to(catalog.ROOT) else document


@dataclass(frozen=True)
class _Given:
    """The words of a marker, the results, and the folder from which links start."""

    words: list[str]
    results: Results
    base: Path

    def link(self, target: Path) -> str:
        return Path(os.path.relpath(target, self.base)).as_posix()


def _text(kind: str, words: list[str], results: Results, document: Path) -> str | None:
    """What belongs between the markers; None where no result says it."""
    least, most = {"figure": (4, 5), "table": (1, 1), "chart": (2, 2)}[kind]
    if not least <= len(words) <= most:
        raise WrongMarker(f"a {kind} needs {WORDS[kind]}, not {' '.join(words)!r}")
    _check_profile(words[0], results)
    write: Callable[[_Given], str | None] = {"figure": _figure, "table": _table, "chart": _chart}[
        kind
    ]
    return write(_Given(words, results, document.parent))


def _check_profile(name: str, results: Results) -> None:
    known = {*tomllib.loads(profiles.PROFILES.read_text()), *KINDS, "ladder"}
    known |= {part.name for entry in results.entries for part in entry.parts}
    if name not in known:
        raise WrongMarker(f"no profile {name!r}; there are: {', '.join(sorted(known))}")


def _figure(given: _Given) -> str | None:
    profile, service, where, field, *shape = given.words
    how = quote.shape(*shape)
    if profile == "ladder":
        return quote.of_ladder(given.results, service, where, field, how)
    return quote.of_bench(given.results, profile, service, where, field, how)


def _table(given: _Given) -> str | None:
    (profile,) = given.words
    if profile == "ladder":
        climbed = next(iter(given.results.climbed), None)
        if climbed is None:
            return None
        return _block(
            given, "ladder", climbed.started_at, climbed.folder, [quote.ladder_table(climbed)]
        )
    newest = given.results.newest(profile)
    if newest is None:
        return None
    entry, part = newest
    tables = sections.of(part).tables(part)
    return _block(given, part.name, entry.started_at, entry.folder, tables, part)


def _block(
    given: _Given,
    name: str,
    started_at: str,
    folder: Path,
    tables: list[Table],
    part: Part | None = None,
) -> str:
    text = pages.markdown(
        "table.md.j2",
        tables=tables,
        part=part,
        name=name,
        started_at=started_at,
        link=given.link(folder / "report.md"),
    )
    return f"\n\n{text}\n"


def _chart(given: _Given) -> str | None:
    profile, name = given.words
    if profile == "ladder":
        climbed = next(iter(given.results.climbed), None)
        found = climbed and (climbed.folder, climbed.folder / f"{name}.svg", climbed.title)
    else:
        newest = given.results.newest(profile)
        found = newest and (
            newest[0].folder,
            newest[0].folder / f"{newest[1].prefix}{name}.svg",
            sections.of(newest[1]).finding(newest[1]),
        )
    if not found:
        return None
    folder, file, alt = found
    if not file.exists():
        raise WrongMarker(f"there is no {file.name} in {folder.name}")
    image, report = (pages.escaped(given.link(path)) for path in (file, folder / "report.md"))
    return f"\n\n[![{pages.escaped(alt)}]({image})]({report})\n\n"
