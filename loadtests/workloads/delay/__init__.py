"""Users that each wait for the backend, one request after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, rising, valid_delay


@dataclass(frozen=True, kw_only=True)
class Delayed(Settings):
    """How many users, how long each waits, and whether on a new connection each time."""

    users: tuple[int, ...]
    delay_s: float
    new_connections: bool = False

    def steps(self, profile: str) -> Iterable[Step]:
        """Closed: each user sends its next request when the last one is answered."""
        for users in self.users:
            on = "-new-connections" if self.new_connections else ""
            yield Step(f"{users}-users-{self.delay_s * 1000:g}ms{on}", users)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield rising("users", self.users)
        yield valid_delay(self.delay_s)


KIND = Kind(settings=Delayed, calls=1, waits=1, steady=True, straight=True, divides=True, tls=True)
