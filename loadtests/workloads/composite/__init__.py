"""Pages that are put together from 12 calls, with bursts of CPU between them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Bursts, Kind, Step, rising, valid_delay

BURSTS = 5  # of each request


@dataclass(frozen=True, kw_only=True)
class Composite(Bursts):
    """How many users, how long each call waits, and how long each burst takes."""

    users: tuple[int, ...]
    delay_s: float

    def steps(self, profile: str) -> Iterable[Step]:
        """Closed, with requests of 12 calls, three after one another, and 5 burns."""
        for users in self.users:
            name = f"composite-{users}-users-{self.delay_s * 1000:g}ms"
            yield Step(name, users, burst_s=BURSTS * self.burst_ms / 1000)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield from super().mistakes(window_s)
        yield rising("users", self.users)
        yield valid_delay(self.delay_s)


KIND = Kind(settings=Composite, route="/composite", calls=12, waits=3, steady=True)
