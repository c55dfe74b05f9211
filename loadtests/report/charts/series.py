"""The data of a chart: one figure of a run's summary by service and level of load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loadtests.record import Run, Spread, Summary
from loadtests.report.results import facts
from loadtests.report.results.parts import Part, scaled


@dataclass(frozen=True)
class Measure:
    """A figure of the summary to be drawn.

    `scale` brings it to the unit on the axis; `limit` is its arithmetic bound
    for users and a delay in seconds, in that unit. `also` is a second figure, a thin line beside
    the first; `lines` are the names of the two. Levels that are `proportional` lie as far apart as
    their numbers. `mark` is a place between the levels, and its name; `notes` are words on levels.
    """

    name: str
    field: str
    title: str
    axis: str
    caption: str
    scale: float = 1
    log: bool = False
    limit: Callable[[int, float], float] | None = None
    also: str = ""
    lines: tuple[str, str] | None = None
    proportional: bool = False
    mark: tuple[float, str] | None = None
    notes: tuple[tuple[int, str], ...] = ()


class Series:
    """One measure of a run: for each service, its summaries by the level of load.

    The levels are numbers of users at one delay, or of idle connections:
    `over` says which. `perfect` is the measure of a perfect service by level.
    """

    def __init__(
        self,
        run: Run,
        measure: Measure,
        services: list[str],
        rows: Mapping[tuple[str, int], Summary],
        over: str = "users",
        delay_s: float = 0,
        perfect: Mapping[int, float] | None = None,
    ) -> None:
        self.run = run
        self.measure = measure
        self.perfect = perfect or {}
        self.delay_s = delay_s
        self.over = over
        self.services = services
        self.rows = rows
        self.levels = sorted({level for _, level in rows})

    def at(self, service: str, level: int, field: str = "") -> Spread | None:
        """The value to draw, in the unit of the axis."""
        row = self.rows.get((service, level))
        spread: Spread | None = getattr(row, field or self.measure.field) if row else None
        if spread is None or (self.measure.log and spread.median <= 0):
            return None
        return scaled(spread, self.measure.scale)

    def drawn(self, service: str, field: str = "") -> dict[int, Spread]:
        """All that can be drawn of a service, by level."""
        return {level: found for level in self.levels if (found := self.at(service, level, field))}

    def state(self, service: str, level: int) -> str:
        """That of the summary there; "not measured" where there is none."""
        row = self.rows.get((service, level))
        return facts.state(row) if row else "not measured"

    def bound(self, service: str, level: int) -> str:
        """The limit, not the service's, that has set the value there; empty where none did."""
        row = self.rows.get((service, level))
        return facts.bounds([row]) if row and facts.at_least(row, self.measure.field) else ""

    def load(self, level: int) -> str:
        """A level as people say it."""
        if self.over == "users":
            return facts.workload(level, self.delay_s)
        return f"{level:,} {self.over}"

    def label(self, service: str) -> str:
        """The service's name, with where it failed."""
        states = {level: self.state(service, level) for level in self.levels}
        bad = [f"{level:,}" for level, state in states.items() if state == "failed"]
        if self.drawn(service):
            return f"{service} (failed at {', '.join(bad)})" if bad else service
        named = (
            state for state in ("invalid", "failed", "not measured") if state in states.values()
        )
        return f"{service} ({next(named, 'not measured')})"


def of_perfect(
    part: Part, field: str, rows: Mapping[tuple[str, int], Summary], scale: float = 1
) -> dict[int, float]:
    """A figure of the perfect service by the levels of the summaries, where it is known."""
    scenarios = {level: row.scenario for (_, level), row in rows.items()}
    found = {level: part.perfect(name).get(field) for level, name in sorted(scenarios.items())}
    return {level: value * scale for level, value in found.items() if value is not None}
