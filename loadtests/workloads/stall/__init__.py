"""A backend that stalls in the middle of a window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, positive, rising, valid_delay


@dataclass(frozen=True, kw_only=True)
class Stall(Settings):
    """How long the backend stalls, for how many closed users, and for which rate of arrivals."""

    users: tuple[int, ...]
    delay_s: float
    rate_rps: float
    stall_s: float

    def steps(self, profile: str) -> Iterable[Step]:
        """The backend stalls once a window: for closed users, and for requests at a rate."""
        for users in self.users:
            yield Step(f"stall-closed-{users}-users", users)
        yield Step(f"stall-open-{self.rate_rps:g}rps", rate_rps=self.rate_rps)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself; and a stall must end in its window."""
        yield rising("users", self.users)
        yield valid_delay(self.delay_s)
        yield positive("rate_rps", self.rate_rps)
        yield positive("stall_s", self.stall_s)
        yield "stall_s must be less than window_s" if self.stall_s >= window_s else ""


KIND = Kind(settings=Stall, calls=1, steady=True, arriving=True, stalls=True)
