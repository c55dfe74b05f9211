"""A backend that freezes for a moment: what closed users see of it, and what an open load does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache

from loadtests.load import histogram
from loadtests.record import Point, Summary
from loadtests.report import canvas, curves, facts, ranking
from loadtests.report.canvas import Chart
from loadtests.report.cells import INVALID, Cell, Column, Table, by_service, figure
from loadtests.report.parts import Derived, Part, derived
from loadtests.report.sections.section import Section

CLOSED, OPEN = "closed", "open"
PERCENTILES = (50, 95, 99, 99.9, 100)


@cache
def _counts(text: str) -> list[tuple[float, int]]:
    return histogram.counts(text)


def _workload(row: Summary | Point) -> str:
    return OPEN if row.rate_rps else CLOSED


def _at(row: Summary | Point, percentile: float) -> float:
    """A response time in ms, that of the nearest rank."""
    counts = _counts(row.histogram)
    rank = percentile / 100 * counts[-1][1] - 1e-9
    return next(time_ms for time_ms, seen in counts if seen >= rank)


def _slow(row: Summary) -> float:
    """The share of the requests that took more than twice the delay."""
    counts = _counts(row.histogram)
    quick = [seen for time_ms, seen in counts if time_ms <= 2000 * row.delay_s]
    return 1 - (quick[-1] if quick else 0) / counts[-1][1]


@dataclass(frozen=True)
class Pair:
    """A service under both workloads; None where there is no histogram."""

    closed: Summary | None
    open: Summary | None

    def rows(self) -> dict[str, Summary]:
        both = {CLOSED: self.closed, OPEN: self.open}
        return {name: row for name, row in both.items() if row and row.histogram}

    @property
    def valid(self) -> bool:
        return all(row and row.valid and row.histogram for row in (self.closed, self.open))


def _pairs(part: Part) -> dict[str, Pair]:
    found: dict[str, dict[str, Summary]] = {name: {} for name in part.services(lambda name: None)}
    for row in part.run.summary:
        found[row.service][_workload(row)] = row
    return {name: Pair(rows.get(CLOSED), rows.get(OPEN)) for name, rows in found.items()}


def _ranked(part: Part) -> dict[str, Pair]:
    """By the p95 of the open workload, the lowest first."""
    pairs = _pairs(part)

    def p95(name: str) -> float | None:
        row = pairs[name].open
        return _at(row, 95) if row and pairs[name].valid else None

    return {name: pairs[name] for name in part.services(p95)}


def finding(part: Part) -> str:
    """The p95 that closed users report, and that of requests which arrive anyway."""
    pairs = {name: pair.rows() for name, pair in _ranked(part).items() if pair.valid}
    values = {
        name: f"from {_shown(_at(rows[CLOSED], 95))} to {_shown(_at(rows[OPEN], 95))}"
        for name, rows in pairs.items()
    }
    found = {name: p95(OPEN)(part, name) for name in pairs}
    order = ranking.of_derived(part, found, pairs)
    said = ranking.contrast(order, values, "the lowest", "the highest")
    return said and (
        f"With a backend that freezes for {_freeze(part)} the p95 goes {said}, when the requests "
        "are not sent by users who wait for the last answer but arrive at a rate."
    )


def _shown(milliseconds: float) -> str:
    return facts.milliseconds(milliseconds)


def _freeze(part: Part) -> str:
    return facts.seconds(float(part.settings["stall_s"]))


def tables(part: Part) -> list[Table]:
    """One row a service: its percentiles under both workloads."""
    pairs = _ranked(part)
    if not part.run.summary:
        return []

    def cell(name: str, workload: str, value: Callable[[Summary], float]) -> Cell:
        row = pairs[name].rows().get(workload)
        found = figure(value(row) if row else None)
        return Cell(found.text + ("" if row is None or row.valid else INVALID), number=True)

    def at(workload: str, percentile: float) -> Callable[[str], Cell]:
        return lambda name: cell(name, workload, lambda row: _at(row, percentile))

    def slow(workload: str) -> Callable[[str], Cell]:
        return lambda name: cell(name, workload, lambda row: 100 * _slow(row))

    columns: list[Column[str]] = []
    for percentile in PERCENTILES:
        word = "max" if percentile == 100 else f"p{percentile:g}"
        columns += [
            (f"{word} {workload}", "ms", at(workload, percentile)) for workload in (CLOSED, OPEN)
        ]
    columns += [(f"slow {workload}", "%", slow(workload)) for workload in (CLOSED, OPEN)]
    caption = f"Response times while the backend freezes for {_freeze(part)}"
    return [by_service(caption, columns, pairs, part.state, part)]


def charts(part: Part) -> list[Chart]:
    """The response time over the percentile, a panel a service."""
    pairs = {name: pair.rows() for name, pair in _ranked(part).items()}
    drawn = {name: rows for name, rows in pairs.items() if rows}
    if not drawn:
        return []
    alt = "response time p95, ms, closed and open: " + ", ".join(
        f"{name} {_said(rows)}" for name, rows in pairs.items()
    )
    name = f"{part.prefix}percentiles"
    title = f"A backend that freezes for {_freeze(part)}: two workloads, one service"
    lines = {
        name: {workload: _curve(row) for workload, row in rows.items()}
        for name, rows in pairs.items()
    }
    svg = canvas.svg(lambda: curves.percentiles(lines, (CLOSED, OPEN)), name)
    return [Chart(name, title, _caption(part, drawn), alt, svg)]


def _said(rows: dict[str, Summary]) -> str:
    if not rows:
        return "failed"
    return " and ".join(
        facts.number(_at(row, 95)) + ("" if row.valid else INVALID) for row in rows.values()
    )


def _caption(part: Part, drawn: dict[str, dict[str, Summary]]) -> str:
    """Why the two differ, with the shares that this run counted."""
    text = (
        f"For {_freeze(part)} of each window the backend answers nothing. Closed users each wait "
        "with one request; what they would have asked meanwhile is never sent, and so never "
        "measured: coordinated omission. "
    )
    row = next((rows[OPEN] for rows in drawn.values() if OPEN in rows), None)
    if row and row.rate_rps:
        due = row.rate_rps * float(part.settings["stall_s"])
        text += (
            f"At {row.rate_rps:,g} requests/s {due:,.0f} are due in the freeze, whoever waits, and "
            "each counts from then. "
        )
    shares = {
        workload: [_slow(rows[workload]) for rows in drawn.values() if workload in rows]
        for workload in (CLOSED, OPEN)
    }
    if all(shares.values()):
        closed, opened = (_percent(shares[workload]) for workload in (CLOSED, OPEN))
        text += (
            f"Slower than twice the delay were {closed} of the closed requests and {opened} of "
            "the open ones. "
        )
    return text + (
        "Solid: closed. Dashed: open. Across, on a logarithmic scale, the share of the requests "
        "that took no longer."
    )


def _percent(shares: Iterable[float]) -> str:
    ends = [f"{100 * end:.2g}" for end in (min(shares), max(shares))]
    return f"{ends[0]} %" if ends[0] == ends[1] else f"{' to '.join(ends)} %"


def _curve(row: Summary) -> curves.Curve:
    return curves.Curve([_at(row, percentile) for percentile in curves.PERCENTILES], row.valid)


def p95(workload: str) -> Callable[[Part, str], Derived | None]:
    """The p95, ms, round by round."""

    def figure(points: list[Point]) -> float | None:
        found = [point for point in points if _workload(point) == workload and point.histogram]
        return _at(found[0], 95) if found else None

    return lambda part, service: derived(part, service, figure)


SECTION = Section(
    finding,
    tables,
    charts,
    derived={"closed_p95_ms": p95(CLOSED), "open_p95_ms": p95(OPEN)},
    terms=(
        (
            "closed, open",
            "Users that wait for an answer before they ask again, as many as it takes for about "
            "the same rate; and requests that arrive at the rate whatever the answers do, measured "
            "from the instant they were due. The percentiles are of all rounds together.",
        ),
        ("slow", "The share of the requests that took more than twice the delay."),
    ),
)
