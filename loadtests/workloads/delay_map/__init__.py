"""Delays × users: who gets near the limit, and who is cheapest where."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, rising


@dataclass(frozen=True, kw_only=True)
class DelayMap(Settings):
    """Which delays, each with how many users."""

    delays: tuple[float, ...]
    users: tuple[int, ...]

    def steps(self, profile: str) -> Iterable[Step]:
        """Closed: so many users at each delay."""
        for delay_s in self.delays:
            for users in self.users:
                yield Step(f"map-{delay_s * 1000:g}ms-{users}-users", users, delay_s=delay_s)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield rising("delays", self.delays, 0.001)
        yield rising("users", self.users)


KIND = Kind(settings=DelayMap, calls=1, waits=1, steady=True, straight=True, divides=True)
