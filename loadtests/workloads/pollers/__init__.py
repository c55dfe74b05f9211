"""Requests at a rate, beside a growing crowd of idle connections."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, positive, rising, valid_delay


@dataclass(frozen=True, kw_only=True)
class Pollers(Settings):
    """How many users send at which rate, and how many connections are idle beside theirs."""

    users: tuple[int, ...]
    connections: tuple[int, ...]
    delay_s: float
    rate_rps: float

    def steps(self, profile: str) -> Iterable[Step]:
        """Requests at a rate over few connections, beside a growing crowd of idle ones."""
        for users in self.users:
            for crowd in self.connections:
                name = f"pollers-{self.rate_rps:g}rps-{users}-users-{crowd}-idle"
                yield Step(name, users, crowd, self.rate_rps)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield rising("users", self.users)
        yield rising("connections", self.connections, 0)
        yield valid_delay(self.delay_s)
        yield positive("rate_rps", self.rate_rps)


KIND = Kind(settings=Pollers, calls=1)
