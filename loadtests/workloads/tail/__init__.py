"""Delays as they are: each request's is drawn, and what counts is what the service adds to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.delays import Delays, mistake, parse, spelled
from loadtests.workloads.kind import Kind, Settings, Step, positive


@dataclass(frozen=True, kw_only=True)
class Drawn(Settings):
    """From which distributions the delays are drawn (workloads/delays.py)."""

    delays: tuple[str, ...]

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Each must name one that can be drawn from in whole milliseconds."""
        yield from map(mistake, self.delays)

    def sets(self) -> Iterable[tuple[str, Delays]]:
        """Each with its text, without files; no two of one name share it."""
        names: list[str] = []
        for text in self.delays:
            found = parse(text)
            names.append(found.name)
            number = names.count(found.name)
            yield spelled(text), found if number == 1 else found.named(number)


@dataclass(frozen=True, kw_only=True)
class Tail(Drawn):
    """At which rate requests arrive."""

    rate_rps: float

    def steps(self, profile: str) -> Iterable[Step]:
        """One for each distribution."""
        for text, found in self.sets():
            name = f"{profile}-{found.name}"
            yield Step(name, rate_rps=self.rate_rps, delay_s=found.mean_s, delays=text)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of the rate, too."""
        yield from super().mistakes(window_s)
        yield positive("rate_rps", self.rate_rps)


KIND = Kind(
    settings=Tail, calls=1, steady=True, straight=True, arriving=True, drawn=True, divides=True
)
