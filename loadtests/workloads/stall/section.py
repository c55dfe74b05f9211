"""A backend that freezes for a moment: what closed users see of it, and what an open load does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from loadtests.load import histogram
from loadtests.record import Point, Summary
from loadtests.report.charts import curves
from loadtests.report.charts.chart import Chart
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Derived, Part, derived
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables.cells import (
    INVALID,
    Cell,
    Column,
    Table,
    by_service,
    place,
    spread,
)

CLOSED, OPEN = "closed", "open"


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
    """By the time to recover, the shortest first."""
    pairs = _pairs(part)

    def recovery(name: str) -> float | None:
        found = recovery_ms(part, name)
        return found.spread.median if found and found.valid else None

    return {name: pairs[name] for name in part.services(recovery)}


def _of_open(field: str) -> Callable[[Part, str], Derived | None]:
    """A figure in seconds of the open workload, in ms, round by round."""

    def figure(points: list[Point]) -> float | None:
        found = [getattr(point, field) for point in points if point.rate_rps]
        return next((1000 * value for value in found if value is not None), None)

    return lambda part, service: derived(part, service, figure)


recovery_ms, burst_cpu_ms = _of_open("recovery_s"), _of_open("burst_cpu_s")


def _ranking(part: Part) -> Ranking:
    found = {name: recovery_ms(part, name) for name in _ranked(part)}
    return ranking.of_derived(part, found, found)


def finding(part: Part) -> str:
    """How long each takes to recover, and what arithmetic makes of the p95."""
    order = _ranking(part)
    values = {
        name: facts.milliseconds(found.spread.median)
        for name in order.names
        if (found := recovery_ms(part, name))
    }
    said = ranking.contrast(order, values, "the soonest", "the latest")
    text = said and (
        f"After a backend that freezes for {_freeze(part)} no more requests are in flight than "
        f"before it within {said}. "
    )
    return text + _arithmetic(part) if any(row.valid for row in part.run.summary) else ""


def _arithmetic(part: Part) -> str:
    return (
        "The p95 of requests that arrive at a rate is delay + freeze - 5 % of the window, "
        f"{facts.milliseconds(_expected_ms(part, 95))}, for every service with CPU to spare; "
        "closed users do not send what would have waited."
    )


def _expected_ms(part: Part, percentile: float) -> float:
    """The response time of a service that takes no time itself.

    Those that are due in the freeze wait for what is left of it, each a little less than
    the one before.
    """
    delay_s, stall_s, window_s = (
        float(part.settings[name]) for name in ("delay_s", "stall_s", "window_s")
    )
    return 1000 * (delay_s + max(0.0, stall_s - (1 - percentile / 100) * window_s))


def _freeze(part: Part) -> str:
    return facts.seconds(float(part.settings["stall_s"]))


def tables(part: Part) -> list[Table]:
    """One row a service: how it recovers, and its response times under both workloads."""
    pairs = _ranked(part)
    if not part.run.summary:
        return []

    order = _ranking(part)
    columns: list[Column[str]] = [
        ("place", "", lambda name: place(order, name)),
        ("recovered after", "ms", _cell(part, recovery_ms)),
        ("CPU meanwhile", "ms", _cell(part, burst_cpu_ms)),
    ]
    for workload in (CLOSED, OPEN):
        columns.append((f"p95 {workload}", "ms", _cell(part, p95(workload))))
    caption = f"A backend that freezes for {_freeze(part)}"
    return [by_service(caption, columns, pairs, part.state, part)]


def _cell(part: Part, figure: Callable[[Part, str], Derived | None]) -> Callable[[str], Cell]:
    return lambda name: spread(figure(part, name))


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
    expected = [_expected_ms(part, percentile) for percentile in curves.PERCENTILES]
    given = [
        curves.Curve(name, workload, _times_ms(row), row.valid)
        for name, rows in pairs.items()
        for workload, row in rows.items()
    ]
    spec = curves.chart(part.run, given, (OPEN, CLOSED), expected)
    return [Chart(name, title, _caption(part, drawn), alt, spec)]


def _said(rows: dict[str, Summary]) -> str:
    if not rows:
        return "failed"
    return " and ".join(
        facts.number(_at(row, 95)) + ("" if row.valid else INVALID) for row in rows.values()
    )


def _caption(part: Part, drawn: dict[str, dict[str, Summary]]) -> str:
    """Why the two differ."""
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
    return text + (
        f"{_arithmetic(part)} That is the dashed line. Across, on a logarithmic scale, the share "
        "of the requests that took no longer."
    )


def _times_ms(row: Summary) -> list[float]:
    return [_at(row, percentile) for percentile in curves.PERCENTILES]


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
    derived={
        "closed_p95_ms": p95(CLOSED),
        "open_p95_ms": p95(OPEN),
        "recovery_ms": recovery_ms,
        "burst_cpu_ms": burst_cpu_ms,
    },
    terms=(
        (
            "closed, open",
            "Users that wait for an answer before they ask again, as many as it takes for about "
            "the same rate; and requests that arrive at the rate whatever the answers do, measured "
            "from the instant they were due. The percentiles are of all rounds together.",
        ),
        (
            "recovered after",
            "From the end of the freeze until no more were in flight than before it, of the "
            "requests at a rate, but for two deviations of arrivals at random; and the CPU of the "
            "service in that time.",
        ),
    ),
)
