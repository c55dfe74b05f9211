"""CPU per request and context switches, at rates that leave a core idle for most of the time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loadtests.workloads.kind import Kind, Step
from loadtests.workloads.open_rate import AtRates


class Cost(AtRates):
    """The rates, and how long each request waits."""

    def steps(self, profile: str) -> Iterable[Step]:
        """Open, under names of their own."""
        for step in super().steps(profile):
            yield replace(step, scenario=f"cost-{step.scenario}")


KIND = Kind(
    settings=Cost, calls=1, switches=True, steady=True, straight=True, arriving=True, divides=True
)
