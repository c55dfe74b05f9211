"""Shared by sections of requests that arrive at a rate: which services keep up with it."""

from __future__ import annotations

from collections.abc import Callable

from loadtests.record import Point, Summary
from loadtests.report.results import facts
from loadtests.report.results.parts import Derived, Part, derived
from loadtests.report.tables.cells import Cell, Column, Table, by_summary, of_summary, spread
from loadtests.workloads.open_rate import sustained

EVEN = "even"
KEEPS_UP = (
    "keeps up",
    f"{100 * sustained.ANSWERED:g} % of the requests that were due in the window were answered "
    "in it, but for what chance puts in flight at its ends.",
)


def keeps_up(point: Point) -> bool:
    """Whether a point's arrivals were answered."""
    due = point.due if point.due is not None else (point.rate_rps or 0.0) * point.duration_s
    answers = point.requests - point.failures
    return sustained.keeps_up(due, answers, point.in_flight or 0.0)


def at(
    part: Part, service: str, scenario: str, figure: Callable[[Point], float | None]
) -> Derived | None:
    """A figure of the points of a scenario, round by round."""

    def of(points: list[Point]) -> float | None:
        found = [point for point in points if point.scenario == scenario and point.requests]
        return figure(found[0]) if found else None

    return derived(part, service, of)


def kept(part: Part, row: Summary) -> bool:
    """Whether a service kept up in most rounds."""
    found = at(part, row.service, row.scenario, lambda point: float(keeps_up(point)))
    return bool(found and found.spread.median >= 0.5)


def drawn(part: Part) -> dict[tuple[str, int], Summary]:
    """The summaries by service and rate of those that keep up with it.

    Of a service that keeps up with none all, with what is wrong with them.
    """
    found = {place: row for place, row in part.by_rate().items() if kept(part, row)}
    some = {service for service, _ in found}
    return found | {at: row for at, row in part.by_rate().items() if at[0] not in some}


def said(part: Part, row: Summary) -> Cell:
    """Whether a service keeps up, and what it answers where it does not."""
    if row.rps is None:
        return Cell(facts.NOTHING)
    rps = facts.at_least(row, "rps") + facts.number(row.rps.median)
    return Cell("yes" if kept(part, row) else f"no: answers {rps}/s")


def overload(field: str) -> Callable[[Part, Summary], Cell]:
    """A figure that means something where a service does not keep up."""

    def cell(part: Part, row: Summary) -> Cell:
        if kept(part, row):
            return Cell(facts.NOTHING, number=True)
        return spread(at(part, row.service, row.scenario, lambda point: getattr(point, field)))

    return cell


def drain(part: Part, row: Summary) -> Cell:
    """How long its queue takes to empty when nothing more comes; ≥ where nobody waited so long."""
    shown = overload("drain_s")(part, row)
    points = [p for p in part.run.points if (p.service, p.scenario) == (row.service, row.scenario)]
    cut = not kept(part, row) and any(point.undrained for point in points)
    return Cell(f"≥ {shown.text}", shown.spread, number=True) if cut else shown


def even_tables(part: Part, services: list[str]) -> list[Table]:
    """Even arrivals beside random ones: a table for each rate at which both were measured."""
    even: dict[int, dict[str, Summary]] = {}
    for row in part.evenly():
        even.setdefault(round(row.rate_rps or 0), {})[row.service] = row
    return [_even_table(part, rate, services, rows) for rate, rows in sorted(even.items())]


def _even_table(part: Part, rate: int, services: list[str], rows: dict[str, Summary]) -> Table:
    random = part.by_rate()

    def of(field: str, evenly: bool) -> Callable[[Summary], Cell]:
        def cell(row: Summary) -> Cell:
            found = row if evenly else random.get((row.service, rate))
            return of_summary(found if found and kept(part, found) else None, field)

        return cell

    columns: list[Column[Summary]] = [
        (f"{name} {how}", "ms", of(field, how == EVEN))
        for name, field in (("p50", "p50_ms"), ("p99", "p99_ms"))
        for how in (EVEN, "random")
    ]
    named = [name for name in services if name in rows]
    return by_summary(f"At {rate:,} requests/s, even and random", columns, named, rows, part)
