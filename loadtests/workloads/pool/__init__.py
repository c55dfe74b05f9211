"""How many slots a service needs: the same arrivals at one number of them and at another."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from loadtests.workloads.kind import Step, rising
from loadtests.workloads.tail import KIND as TAIL
from loadtests.workloads.tail import Drawn


@dataclass(frozen=True, kw_only=True)
class Pool(Drawn):
    """At which rates requests arrive, and how many slots there are: without any, its own."""

    rates: tuple[float, ...]
    slots: tuple[int, ...] = ()

    def steps(self, profile: str) -> Iterable[Step]:
        """By slots, as each number of them is a start of the service."""
        for slots in self.slots or (None,):
            for text, found in self.sets():
                for rate_rps in self.rates:
                    at = f"{slots}-slots" if slots else "own-slots"
                    name = f"{profile}-{rate_rps:g}rps-{found.name}-{at}"
                    yield Step(
                        name, rate_rps=rate_rps, delay_s=found.mean_s, delays=text, slots=slots
                    )

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of the lists, too."""
        yield from super().mistakes(window_s)
        yield rising("rates", self.rates)
        yield rising("slots", self.slots)
        if any(type(slots) is not int for slots in self.slots):
            yield "slots must be whole numbers"


KIND = replace(TAIL, settings=Pool, straight=False, slotted=True)
