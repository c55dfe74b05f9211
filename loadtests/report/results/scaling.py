"""A service in several processes: what it gains, and the memory that each further one takes.

Imports nothing that draws.
"""

from __future__ import annotations

from loadtests.record import Point, Summary
from loadtests.report.results import facts
from loadtests.report.results.parts import Derived, Part, derived


def rows(part: Part) -> dict[tuple[str, int], Summary]:
    """The summaries by service and number of processes."""
    return {(row.service, row.workers): row for row in part.run.summary if row.workers}


def gain(part: Part, name: str, number: int) -> Derived | None:
    """How many times as many requests/s as one process so many answer; None where nobody knows.

    That is where something else than the one process was its limit, too.
    """

    def of(points: list[Point]) -> float | None:
        rps = {point.workers: point.rps for point in points}
        return rps[number] / rps[1] if rps.get(1) and number in rps else None

    alone = rows(part).get((name, 1))
    return None if alone is None or alone.bound else derived(part, name, of)


def further_bytes(part: Part, name: str, number: int) -> Derived | None:
    """The memory that each process after the first one took, of so many."""

    def of(points: list[Point]) -> float | None:
        size = {point.workers: point.pss_bytes for point in points}
        first, last = size.get(1), size.get(number)
        return (last - first) / (number - 1) if first and last and number > 1 else None

    return derived(part, name, of)


def least(part: Part, name: str, number: int) -> str:
    """A sign where something else than the service held the requests/s down."""
    row = rows(part).get((name, number))
    return facts.at_least(row, "rps") if row else ""
