"""What a chart draws: one figure of a run's summary by service and level of load."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from loadtests.record import Run, Spread, Summary
from loadtests.report import facts
from loadtests.report.cells import LOWER_BOUND
from loadtests.report.parts import scaled


@dataclass(frozen=True)
class Measure:
    """A figure of the summary to be drawn.

    `scale` brings it to the unit on the axis; `limit` is its arithmetic bound
    for users and a delay in seconds, in that unit; `panels` draws each service
    in a panel of its own. `also` is a second figure, drawn dotted beside it;
    `lines` name the two in a legend. `proportional` panels
    have the levels as far apart as their numbers are. `unit` stands behind the number in a panel.
    """

    name: str
    field: str
    title: str
    axis: str
    caption: str
    scale: float = 1
    log: bool = False
    panels: bool = False
    limit: Callable[[int, float], float] | None = None
    limit_label: str = ""
    also: str = ""
    lines: tuple[str, str] | None = None
    proportional: bool = False
    unit: str = ""


class Series:
    """One measure of a run: for each service, its summaries by the level of load.

    The levels are numbers of users at one delay, or of idle connections:
    `over` says which.
    """

    def __init__(
        self,
        run: Run,
        measure: Measure,
        services: list[str],
        rows: Mapping[tuple[str, int], Summary],
        over: str = "users",
        delay_s: float = 0,
    ) -> None:
        self.measure = measure
        self.delay_s = delay_s
        self.over = over
        self.low = facts.lower_bounds(run)
        self.services = services
        self.rows = rows
        self.levels = sorted({level for _, level in rows})

    def at(self, service: str, level: int, field: str = "") -> Spread | None:
        """What can be drawn there, in the unit of the axis."""
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

    def note(self, service: str, level: int) -> str:
        """The mark of a response time that is a lower bound."""
        row = self.rows.get((service, level))
        known = row and (service, row.scenario) in self.low
        return LOWER_BOUND if known and self.measure.field == "p99_ms" else ""

    def own_ceiling(self, service: str) -> float | None:
        """The service's ceiling (requests/s) at the most users, where something else binds."""
        row = self.rows.get((service, self.levels[-1]))
        return row.ceiling_rps if row and row.binding not in ("", "users") else None

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

    def trusted(self, service: str) -> bool:
        """Whether there is a valid summary anywhere on its line."""
        return any(self.state(service, level) == "" for level in self.levels)
