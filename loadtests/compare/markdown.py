"""A comparison as Markdown: for a file, or for a comment on GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from loadtests.compare.comparison import NOISE, Comparison, percent
from loadtests.compare.differences import Difference
from loadtests.report.results import facts

MOST_ROWS = 50  # in a comment, which GitHub cuts at 65,536 characters


def document(found: Comparison, everything: bool) -> Iterator[str]:
    """The lines of a file: what differs, and `everything` in tables where that is wanted."""
    yield from ["# A against B", "", f"**{found.headline}**", ""]
    yield from _runs(found)
    for title, some in (("Worse in B", found.worse), ("Better in B", found.better)):
        if some:
            yield from ["", f"## {title}", ""]
            yield from _largest_first(some)
    yield from ["", found.caution]
    if everything:
        yield from _tables(found)


def comment(found: Comparison) -> Iterator[str]:
    """The lines of a comment on GitHub: what is worse is seen, the rest unfolds."""
    yield from [f"### {found.headline}", ""]
    if found.worse:
        yield from [*_largest_first(found.worse[:MOST_ROWS]), ""]
    if found.better:
        yield from [f"<details><summary>{len(found.better)} better</summary>", ""]
        yield from [*_largest_first(found.better[:MOST_ROWS]), "", "</details>", ""]
    yield from ["<details><summary>the two runs</summary>", ""]
    yield from [*_runs(found), "", found.caution, "", "</details>"]


def _runs(found: Comparison) -> Iterator[str]:
    a, b = found.a, found.b
    yield from _table(
        ["", "A", "B"],
        [
            ["profile", a.profile, b.profile],
            ["started", facts.when(a.started_at), facts.when(b.started_at)],
            ["commit", a.at_commit, b.at_commit],
            ["verdict", facts.verdict(a), facts.verdict(b)],
        ],
    )
    if found.between:
        reasons = "; ".join(found.between)
        yield from ["", f"**Compared although they are not comparable: {reasons}.**"]


def _largest_first(some: list[Difference]) -> Iterator[str]:
    yield from _table(
        ["service", "scenario", "figure", "A", "B", "change", "B ÷ A"],
        [
            [
                *(one.service, one.scenario, one.figure.title),
                *(side.text for side in one.sides),
                *(percent(one), _ratio(one)),
            ]
            for one in some
        ],
    )


def _tables(found: Comparison) -> Iterator[str]:
    """Every figure of every scenario, in bold where it differs beyond noise."""
    marks = facts.marks(found.a) | facts.marks(found.b)
    for scenario, rows in found.by_scenario.items():
        yield from ["", f"## {scenario}", ""]
        yield from _scenario(rows, marks)


def _scenario(rows: list[list[Difference]], marks: dict[str, str]) -> Iterable[str]:
    """A row a service, three columns a figure; without figures that nobody has."""
    kept = [
        place
        for place in range(len(rows[0]))
        if any(side.text != facts.NOTHING for row in rows for side in row[place].sides)
    ]
    head = ["service"]
    for place in kept:
        head += [f"{rows[0][place].figure.title} in A", "in B", "B ÷ A"]
    cells = [
        [_marked(row[0].service, marks)]
        + [text for p in kept for text in (*(side.text for side in row[p].sides), _bold(row[p]))]
        for row in rows
    ]
    yield from _table(head, cells)


def _marked(service: str, marks: dict[str, str]) -> str:
    return f"{service} *{marks[service]}*" if service in marks else service


def _bold(one: Difference) -> str:
    if one.ratio is None:
        return facts.NOTHING
    return f"{_ratio(one)} {NOISE}" if one.within_noise else f"**{_ratio(one)}**"


def _ratio(one: Difference) -> str:
    text, lies = facts.number(one.ratio), one.interval
    if lies and facts.number(lies[0]) != facts.number(lies[1]):
        text += f" [{facts.number(lies[0])}–{facts.number(lies[1])}]"
    return text


def _table(head: list[str], rows: list[list[str]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"
