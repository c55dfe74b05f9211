"""What a chart draws: one figure of a run's summary by service and users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests import facts
from loadtests.record import Run, Spread
from loadtests.tables import LOWER_BOUND


@dataclass(frozen=True)
class Measure:
    """A figure of the summary to be drawn.

    `scale` brings it to the unit on the axis; `limit` is its arithmetic bound
    for users and a delay in seconds, in that unit; `panels` draws each service
    in a panel of its own.
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


class Series:
    """One measure of a run at one delay: for each service, its summaries by users."""

    def __init__(self, run: Run, measure: Measure, delay_s: float) -> None:
        self.measure = measure
        self.delay_s = delay_s
        self.low = facts.lower_bounds(run)
        self.services = facts.ranked(run)
        self.rows = {(row.service, row.users): row for row in run.summary if row.delay_s == delay_s}
        self.users = sorted({users for _, users in self.rows})

    def at(self, service: str, users: int) -> Spread | None:
        """What can be drawn there, in the unit of the axis."""
        row = self.rows.get((service, users))
        spread: Spread | None = getattr(row, self.measure.field) if row else None
        if spread is None or (self.measure.log and spread.median <= 0):
            return None
        scale = self.measure.scale
        return Spread(spread.median * scale, spread.min * scale, spread.max * scale)

    def drawn(self, service: str) -> dict[int, Spread]:
        """All that can be drawn of a service, by users."""
        return {users: found for users in self.users if (found := self.at(service, users))}

    def state(self, service: str, users: int) -> str:
        """That of the summary there; "not measured" where there is none."""
        row = self.rows.get((service, users))
        return facts.state(row) if row else "not measured"

    def note(self, service: str, users: int) -> str:
        """The mark of a response time that is a lower bound."""
        row = self.rows.get((service, users))
        known = row and (service, row.scenario) in self.low
        return LOWER_BOUND if known and self.measure.field == "p99_ms" else ""

    def own_ceiling(self, service: str) -> float | None:
        """The service's ceiling (requests/s) at the most users, where something else binds."""
        row = self.rows.get((service, self.users[-1]))
        return row.ceiling_rps if row and row.binding not in ("", "users") else None

    def label(self, service: str) -> str:
        """The service's name, with where it failed."""
        states = {users: self.state(service, users) for users in self.users}
        bad = [f"{users:,}" for users, state in states.items() if state == "failed"]
        if self.drawn(service):
            return f"{service} (failed at {', '.join(bad)})" if bad else service
        named = (
            state for state in ("invalid", "failed", "not measured") if state in states.values()
        )
        return f"{service} ({next(named, 'not measured')})"

    def trusted(self, service: str) -> bool:
        """Whether there is a valid summary anywhere on its line."""
        return any(self.state(service, users) == "" for users in self.users)
