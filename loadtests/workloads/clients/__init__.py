"""As in `delay`, over services that differ in their client to the backend."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from loadtests.workloads.delay import Delayed
from loadtests.workloads.kind import Kind, Step


class OfClients(Delayed):
    """The settings of `delay`."""

    def steps(self, profile: str) -> Iterable[Step]:
        """Closed, under names of their own."""
        for step in super().steps(profile):
            yield replace(step, scenario=f"clients-{step.scenario}")


KIND = Kind(settings=OfClients, calls=1, waits=1, steady=True, straight=True, divides=True)
