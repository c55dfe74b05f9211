"""A search for the highest rate of arrivals that is sustained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, positive, valid_delay


@dataclass(frozen=True, kw_only=True)
class Capacity(Settings):
    """How long each request waits, and how much longer 99 % of them may take."""

    delay_s: float
    limit_ms: float

    def steps(self, profile: str) -> Iterable[Step]:
        """Open, at the highest rate that is sustained."""
        yield Step(f"capacity-{self.delay_s * 1000:g}ms-limit-{self.limit_ms:g}ms")

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield valid_delay(self.delay_s)
        yield positive("limit_ms", self.limit_ms)


KIND = Kind(settings=Capacity, calls=1, steady=True, straight=True, arriving=True, search_s=50.0)
