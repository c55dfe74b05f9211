"""Services under faults: a matrix, and below it what became of each cell."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby

from loadtests.report.charts import matrix, theme
from loadtests.report.charts.chart import Chart
from loadtests.report.results import facts
from loadtests.report.results.parts import Part
from loadtests.report.section import Section
from loadtests.report.tables.cells import Cell, Column, Row, Table, count, service, text
from loadtests.workloads.faults import BACKEND, CALLERS, HARNESS, SAID
from loadtests.workloads.faults.cells import Outcome, outcomes

MOST_NAMED = 3
# Of one service, and of several.
VERBS = {
    "wrong": ("answers wrong", "answer wrong"),
    "hangs": ("hangs", "hang"),
    "leaks": ("leaks", "leak"),
    "memory": ("keeps more memory", "keep more memory"),
    "stays ill": ("stays ill", "stay ill"),
}
LEFT = {
    "slots": "slots gone",
    "calls": "calls still open",
    "unanswered": "requests of a burst not answered",
    "connections": "more backend connections",
    "files": "more files and sockets open",
    "threads": "more threads",
}
AS_DECLARED = ", as declared"
DECLARED = " Declared: the service's service.toml names the exception and its reason."
BROKEN, OTHERS = "The backend", "Other callers"
ALONE = BACKEND | HARNESS | CALLERS  # what one of these does
Pair = tuple[str, Outcome]


def _anchor(part: Part, name: str, fault: str) -> str:
    """Unique on a page with several runs, each of which has a time of its own."""
    month_to_second = re.sub(r"\D", "", part.run.started_at)[4:]
    return f"{part.name}-{month_to_second}-{name}-{fault}"


def _pairs(part: Part) -> list[Pair]:
    """Every cell, those of a fault beside each other, and of them those of a model."""
    found = outcomes(part)
    models = {name: theme.MODELS.index(theme.look(part.run, name).model) for name in found}
    names = sorted(found, key=lambda name: (models[name], name))
    return [(name, found[name][fault]) for fault in SAID for name in names if fault in found[name]]


def finding(part: Part) -> str:
    """How many cells are as they should be, and what most of the others are."""
    tried = [(name, one) for name, one in _pairs(part) if one.is_known]
    if not tried:
        return ""
    broken = [(name, one) for name, one in tried if one.broken]
    said = (
        f"No wrong answer, no request without one, and nothing left behind in "
        f"{len(tried) - len(broken)} of {len(tried)} services × faults"
    )
    kinds = _by_kind(broken)
    named = [_many(pairs) for pairs in kinds[:MOST_NAMED]]
    if more := sum(map(len, kinds[MOST_NAMED:])):
        named.append(f"{more} more in the table")
    text = "; ".join(named)
    meant = DECLARED if AS_DECLARED in text else ""
    return said + (f": {text}.{meant}" if named else ".")


def breaks(part: Part, service: str) -> str:
    """How many faults break a service, and in which way; empty where it met none."""
    met = [one for one in outcomes(part).get(service, {}).values() if one.is_known]
    if not met:
        return ""
    ways = Counter(one.broken for one in met if one.broken)
    said = [f"{VERBS[way][0]} in {times}" for way, times in ways.most_common()]
    return f"{len(met)} faults: {facts.joined(said or ['well in all'])}"


def _by_kind(broken: list[Pair]) -> list[list[Pair]]:
    """Those that do the same under the same fault, the most first."""
    found: dict[tuple[str, str], list[Pair]] = {}
    for name, one in broken:
        found.setdefault((one.broken, one.fault), []).append((name, one))
    return sorted(found.values(), key=len, reverse=True)


def _many(pairs: list[Pair]) -> str:
    """The fault of these services in words, and whether all of them declare it."""
    names, one = [name for name, _ in pairs], pairs[0][1]
    who = facts.joined(names) if len(names) <= MOST_NAMED else f"{len(names)} services"
    declared = "" if any(one.undeclared for _, one in pairs) else AS_DECLARED
    return f"{who} {VERBS[one.broken][len(names) > 1]} where {SAID[one.fault]}{declared}"


def tables(part: Part) -> list[Table]:
    """A row for each cell of the picture, which links to it."""
    columns: list[Column[Pair]] = [
        ("service", "", lambda pair: service(pair[0], part)),
        ("fault", "", lambda pair: text(SAID[pair[1].fault])),
        ("right meanwhile", "%", lambda pair: _share(pair[1])),
        ("502, 504", "", lambda pair: count(pair[1].error)),
        ("wrong", "", lambda pair: count(pair[1].wrong)),
        ("no answer", "", lambda pair: count(pair[1].none)),
        ("whole again after", "", lambda pair: _ended(pair[1])),
        ("what happened", "", lambda pair: text(happened(pair[1]))),
    ]
    rows = [
        Row([cell(pair) for _, _, cell in columns], "", _anchor(part, pair[0], pair[1].fault))
        for pair in _pairs(part)
    ]
    heads = [(name, unit) for name, unit, _ in columns]
    return [Table("Requests under each fault", heads, rows)] if rows else []


def _share(one: Outcome) -> Cell:
    return Cell(facts.NOTHING if one.share is None else f"{one.share:.0f}", number=True)


def _ended(one: Outcome) -> Cell:
    return text(one.ended if one.during else facts.NOTHING)


def happened(one: Outcome) -> str:
    """The answers that were not right, what is left behind, and why that may be."""
    if one.skipped or one.invalid:
        return one.skipped or one.invalid
    said = [f"{times} × {answer}" for answer, times in sorted(one.seen.items())]
    for name, number in one.leaks.items():
        mib = f"{number / 2**20:.0f} MiB more memory"
        said.append(mib if name == "pss_bytes" else f"{number} {LEFT[name]}")
    if one.excuse:
        said.append(f"declared: {one.excuse}")
    return "; ".join(said) or "nothing but right answers"


def charts(part: Part) -> list[Chart]:
    """The matrix: a row for each fault, a column for each service."""
    pairs = _pairs(part)
    if not pairs:
        return []
    is_narrow = len({name for name, _ in pairs}) > matrix.MOST_LEVEL
    cells = [
        matrix.Cell(
            service=name,
            group=OTHERS if one.fault in CALLERS else BROKEN,
            row=ALONE[one.fault],
            share=one.share,
            words=_words(one, is_narrow),
            sign="!" if one.broken or one.invalid else "",
            is_framed=bool(one.undeclared or one.invalid),
            told=happened(one),
            link=f"#{_anchor(part, name, one.fault)}",
        )
        for name, one in pairs
    ]
    caption = (
        "In a cell the requests that got their right answer while the fault lasted, in percent; "
        "the others got a 502 or a 504, as they should. Framed: what must not be: a wrong answer, "
        "none within the timeout, or something left behind. A small screen shows shades, and a ! "
        "for each that is not well. Each cell leads to what happened."
    )
    rows = groupby(pairs, lambda pair: pair[1].fault)
    alt = "; ".join(_row(fault, list(of_it)) for fault, of_it in rows)
    title = "Requests answered right while something is broken"
    return [Chart(f"{part.prefix}faults", title, caption, alt, matrix.chart(part.run, cells))]


def _row(fault: str, pairs: list[Pair]) -> str:
    """A row of the picture in words: the range of its cells, and those that are not well."""
    shares = [one.share for _, one in pairs if one.share is not None]
    ill = "".join(f", {name} {VERBS[one.broken][0]}" for name, one in pairs if one.broken)
    return f"{SAID[fault]}: {facts.span(shares) or facts.NOTHING} % right{ill}"


def _words(one: Outcome, is_narrow: bool) -> str:
    """The share and what is wrong, or where both have no room the latter."""
    if one.skipped:
        return facts.NOTHING
    if one.share is None:
        return "×"
    share = "" if is_narrow and one.broken else f"{one.share:.0f}"
    return " ".join(filter(None, [share, one.broken]))


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        (
            "right meanwhile",
            "Of the requests that were sent while the fault lasted, those that got the answer that "
            "the backend gives when it is well. All others got a 502 or a 504, a wrong answer, or "
            "none within the timeout; those numbers are of all requests since the fault began.",
        ),
        (
            "whole again after",
            "From the end of the fault to that of the last request sent after it that got no right "
            "answer, or got it 0.5 s late. Not in its window: 0.6 s in which all went well did not "
            "come, or slots, calls or answers of a burst were missing at the end.",
        ),
        (
            "leaks, memory",
            "After each fault as many requests as the service has slots are sent at once: all must "
            "reach the backend together, as before, and none be answered wrong or not at all. "
            "Calls, connections, threads, open files and memory are compared with those before; up "
            "to 10 and 32 MiB are taken for chance. "
            "Where nothing but memory is left behind, the word is memory.",
        ),
    ),
)
