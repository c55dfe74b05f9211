"""The points that are not valid: the reasons, each once, and where it was."""

from __future__ import annotations

from dataclasses import dataclass, field

from loadtests.record import Point, Run
from loadtests.report.results import facts


@dataclass
class Trouble:
    """The same reasons in some rounds of a service: where it was, and what the logs said."""

    service: str
    state: str
    reasons: list[str]
    rounds: dict[str, list[int]] = field(default_factory=dict)
    logs: list[str] = field(default_factory=list)

    def places(self) -> str:
        """Where it happened: 10 users × 100 ms (rounds 1, 3)."""
        return ", ".join(
            f"{load} ({'round' if len(rounds) == 1 else 'rounds'} {', '.join(map(str, rounds))})"
            for load, rounds in self.rounds.items()
        )


def of(run: Run) -> list[Trouble]:
    """The faults, in the order in which they happened."""
    found: dict[tuple[str, ...], Trouble] = {}
    for point in run.points:
        if point.valid:
            continue
        key = (point.service, facts.state(point), *point.invalid_because)
        reasons = point.invalid_because or ["no reason was recorded"]
        trouble = found.setdefault(key, Trouble(point.service, facts.state(point), reasons))
        trouble.rounds.setdefault(_place(run, point), []).append(point.round)
        if point.log_tail and point.log_tail not in trouble.logs:
            trouble.logs.append(point.log_tail)
    return list(found.values())


def _place(run: Run, point: Point) -> str:
    """Where a point was measured, as people say it where users alone make the load."""
    if run.workloads[point.profile]["kind"] not in ("delay", "clients", "composite"):
        return point.scenario
    load = facts.workload(point.users, point.delay_s)
    return f"{point.profile}: {load}" if len(run.workloads) > 1 else load
