"""Requests that wait at once, and what the memory of one is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, rising, valid_delay


@dataclass(frozen=True, kw_only=True)
class Held(Settings):
    """How many requests wait at once: `processes` of them where processes wait."""

    held: tuple[int, ...]
    delay_s: float
    processes: tuple[int, ...] = ()

    def steps(self, profile: str) -> Iterable[Step]:
        """So many requests wait at once and none is completed; 0 is the service at rest.

        Where processes wait, there are as many of them.
        """
        for held in self.held:
            yield Step(f"held-{held}", held)
        for held in self.processes:
            yield Step(f"held-{held}-processes", held, workers=held)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield rising("held", self.held, 0)
        yield rising("processes", self.processes)
        yield valid_delay(self.delay_s)


KIND = Kind(settings=Held, calls=1, at_rest=True, timed=False)
