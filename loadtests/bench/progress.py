"""What `make bench` prints while it measures: a line a point, with the time left."""

from __future__ import annotations

from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile
from loadtests.record import Point

SERVICE_START_S = 4.5  # to start, to get ready, and to stop, about


def _point_s(profile: Profile, model: str) -> float:
    turn_s = profile.turn_s(model) + len(profile.starts(model)) * SERVICE_START_S
    return turn_s / len(profile.steps(model))


class Progress:
    """Counts the points of a run, and judges the time left by how long its profiles take."""

    def __init__(self, parts: list[Part]) -> None:
        self.total = sum(part.points() for part in parts)
        self.done = 0
        self._expected_s: dict[tuple[str, str], float] = {}
        self._left_s = 0.0
        for part in parts:
            for service in part.services:
                expected_s = _point_s(part.profile, service.model)
                self._expected_s[part.profile.name, service.label] = expected_s
                self._left_s += part.points_of(service) * expected_s

    def show(self, point: Point) -> None:
        """Print one finished point."""
        self.done += 1
        self._left_s -= self._expected_s[point.profile, point.service]
        waiting = f"{point.unfinished} waiting" if point.unfinished else "at rest"
        outcome = waiting if point.valid else "failed"
        if point.requests:
            share = "" if point.efficiency is None else f"{point.efficiency:.1%} of the limit"
            outcome = f"{point.rps:8.1f}/s {share:19}"
        if point.p50_ms is not None:
            outcome += f"   p50 {point.p50_ms:.0f} p99 {point.p99_ms:.0f} ms"
        print(
            f"[{self.done:{len(str(self.total))}}/{self.total}, {minutes(self._left_s)} left] "
            f"round {point.round}  {point.service:18} {point.scenario:36} {outcome}",
            flush=True,
        )
        for reason in point.invalid_because:
            print(f"    INVALID: {reason}", flush=True)


def minutes(seconds: float) -> str:
    """`4:05` for 245 seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
