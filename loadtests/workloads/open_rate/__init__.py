"""Requests that arrive at a rate, whatever the answers do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from loadtests.workloads.kind import Kind, Settings, Step, rising, valid_delay


@dataclass(frozen=True, kw_only=True)
class AtRates(Settings):
    """At which rates requests arrive, and how long each waits."""

    rates: tuple[float, ...]
    delay_s: float

    def steps(self, profile: str) -> Iterable[Step]:
        """One for each rate."""
        for rate in self.rates:
            yield Step(f"{rate:g}rps-{self.delay_s * 1000:g}ms", rate_rps=rate)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield rising("rates", self.rates)
        yield valid_delay(self.delay_s)


@dataclass(frozen=True, kw_only=True)
class OpenRate(AtRates):
    """Beside the rates those of them, `even_rates`, at which requests come evenly, too."""

    even_rates: tuple[float, ...] = ()

    def steps(self, profile: str) -> Iterable[Step]:
        """Open: requests arrive at a rate, whatever the answers do."""
        for step in super().steps(profile):
            name = f"{profile}-{step.scenario}"
            yield replace(step, scenario=name)
            if step.rate_rps in self.even_rates:
                yield replace(step, scenario=f"{name}-even", arrivals="even")

    def mistakes(self, window_s: float) -> Iterable[str]:
        """The even ones are among the others."""
        yield from super().mistakes(window_s)
        strange = not {*self.even_rates} <= {*self.rates}
        yield "even_rates must be some of the rates" if strange else ""


KIND = Kind(settings=OpenRate, calls=1, steady=True, straight=True, arriving=True, divides=True)
