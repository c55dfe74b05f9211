"""Users that wait for JSON of several sizes, which the service parses and writes anew."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from loadtests.workloads.delay import KIND as DELAY
from loadtests.workloads.kind import Settings, Step, positive, rising, valid_delay
from services import contract

KIB = 1024


@dataclass(frozen=True, kw_only=True)
class Payload(Settings):
    """How many users there are, how long each waits, and the bytes of the backend's answers.

    `sizes` are whole KiB; 0 is an answer of nothing but the delay and the id.
    """

    users: int
    delay_s: float
    sizes: tuple[int, ...]

    def steps(self, profile: str) -> Iterable[Step]:
        """Closed, and by sizes: the same users ask for more."""
        for size in self.sizes:
            name = f"{profile}-{self.users}-users-{self.delay_s * 1000:g}ms-{size // KIB}kib"
            yield Step(name, self.users, size=size)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield positive("users", self.users)
        yield valid_delay(self.delay_s)
        yield rising("sizes", self.sizes, lowest=0)
        if any(size % KIB or size > contract.MAX_JSON for size in self.sizes):
            yield f"sizes must be whole KiB, up to {contract.MAX_JSON}"


KIND = replace(DELAY, settings=Payload, route="/json", straight=False, tls=False)
