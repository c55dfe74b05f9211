"""Measured numbers in documents: what stands between two comments comes from the newest result.

    <!-- figure: standard sanic 1000-users efficiency -->35.1 %<!-- /figure -->
    <!-- table: pollers -->…<!-- /table -->
    <!-- chart: pollers crowd -->…<!-- /chart -->
    <!-- chart: publish overview -->…<!-- /chart -->
    <!-- source: -->…<!-- /source -->
    <!-- headline: -->…<!-- /headline -->
    <!-- answer: -->…<!-- /answer -->

The headline is a table of one service for each way of waiting, the answer a few sentences. The
source is what all of them come from: date, machine and interpreter. A figure names
a profile (or a kind of workload, or `ladder`), a service (a rung), a part of the
scenario's name (`all` where there is but one; of the ladder the delay, `0.1s`), a
field, and if need be a format. Comments in code are left alone.
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
from loadtests.record import write_atomically
from loadtests.report import overview, sections
from loadtests.report.documents import answer, headline, quote
from loadtests.report.documents.quote import WrongMarker
from loadtests.report.pages import rendering
from loadtests.report.results import facts
from loadtests.report.results.parts import Part
from loadtests.report.results.stored import SUITE, Results
from loadtests.report.tables.cells import Table
from loadtests.workloads import KINDS

NOT_YET = "not measured yet"
WORDS = {
    "figure": "a profile, a service, a scenario, a field and perhaps a format",
    "table": "a profile",
    "chart": "a profile and the name of a chart",
    "source": "no words",
    "headline": "no words",
    "answer": "no words",
}
_code = r"^(?P<fence>`{3,}|~{3,}).*?^(?P=fence)[^\n]*$|(?P<ticks>`+)[^`].*?(?P=ticks)"
_kinds = "|".join(WORDS)
_marker = re.compile(
    rf"(?P<code>{_code})"
    rf"|(?P<begin><!--\s*(?P<kind>{_kinds}):(?P<words>(?:(?!-->).)*)-->)"
    r"(?:(?!<!--).)*(?P<end><!--\s*/(?P=kind)\s*-->)"
    rf"|(?P<alone><!--\s*/?(?:{_kinds})\b)",
    re.DOTALL | re.MULTILINE,
)
# A comment that begins a line ends the paragraph before it, for Markdown.
_line_start = re.compile(r"[ \t>]*(?:[-*+]|\d+[.)])?[ \t]*")


def fill(document: Path, results: Results) -> list[str]:
    """Write the newest numbers between the markers of `document`, atomically.

    Returns a line for each marker that no result fills yet. WrongMarker, with a
    line for each that cannot be understood, leaves the document as it is.
    """
    text, unmeasured = filled(document, results)
    if text != document.read_text(encoding="utf-8"):
        write_atomically(document, text)
    return unmeasured


def filled(document: Path, results: Results) -> tuple[str, list[str]]:
    """The text that `fill` writes, and its lines."""
    text = document.read_text(encoding="utf-8")
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

    new = _marker.sub(replaced, text)
    if wrong:
        raise WrongMarker("\n".join(wrong))
    return new, unmeasured


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
    """The text between two markers; None where no result says it."""
    least, most = {"figure": (4, 5), "table": (1, 1), "chart": (2, 2)}.get(kind, (0, 0))
    if not least <= len(words) <= most:
        raise WrongMarker(f"a {kind} needs {WORDS[kind]}, not {' '.join(words)!r}")
    if kind in WITHOUT_WORDS:
        return WITHOUT_WORDS[kind](results)
    _check_profile(words[0], results)
    write: Callable[[_Given], str | None] = {"figure": _figure, "table": _table, "chart": _chart}[
        kind
    ]
    return write(_Given(words, results, document.parent))


def _source(results: Results) -> str:
    if results.suite:
        return facts.source(results.suite.run)
    newest = results.profiles().items()
    dates = [f"{name} of {entry.started_at[:10]}" for name, (entry, _) in newest]
    return f"the newest run of each profile ({', '.join(dates) or 'there is none yet'})"


def _headline(results: Results) -> str | None:
    made = headline.of(results)
    if made is None:
        return None
    return f"\n\n{rendering.markdown('rows.md.j2', table=made)}\n{headline.below(results)}"


def _answer(results: Results) -> str | None:
    said = answer.of(results)
    lines = "".join(f"- {rendering.escaped(sentence)}\n" for sentence in said)
    return f"\n\n{lines}\n" if said else None


WITHOUT_WORDS: dict[str, Callable[[Results], str | None]] = {
    "source": _source,
    "headline": _headline,
    "answer": _answer,
}


def _check_profile(name: str, results: Results) -> None:
    known = {*tomllib.loads(profiles.PROFILES.read_text(encoding="utf-8")), *KINDS, "ladder"}
    known |= {SUITE, *(part.name for entry in results.entries for part in entry.parts)}
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
        climbed = given.results.ladder
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
    text = rendering.markdown(
        "table.md.j2",
        tables=tables,
        part=part,
        name=name,
        started_at="" if part and given.results.suite else started_at,
        link=given.link(folder / "report.md"),
    )
    return f"\n\n{text}\n"


def _chart(given: _Given) -> str | None:
    profile, name = given.words
    if profile == "ladder":
        climbed = given.results.ladder
        found = climbed and (climbed.folder, climbed.folder / f"{name}.svg", climbed.title)
    elif profile == SUITE:
        if name != overview.NAME:
            raise WrongMarker(f"{SUITE} has one chart, {overview.NAME}, not {name!r}")
        found = _of_suite(given.results)
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
    image, report = (rendering.escaped(given.link(path)) for path in (file, folder / "report.md"))
    return f"\n\n[![{rendering.escaped(alt)}]({image})]({report})\n\n"


def _of_suite(results: Results) -> tuple[Path, Path, str] | None:
    """The chart of the suite as a whole."""
    suite = results.suite
    drawn = suite and overview.chart(suite.run, suite.parts)
    if not suite or not drawn:
        return None
    return suite.folder, suite.folder / f"{drawn.name}.svg", drawn.alt
