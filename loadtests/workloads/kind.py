"""A kind of workload as the bench sees it: its settings and steps, and its arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from loadtests.catalog import BACKEND


@dataclass(frozen=True)
class Step:
    """One window of the generator, and so one point of each service and round.

    `rate_rps` is of the requests that are measured, of all users together, or of
    messages, `deliveries_rps` of their deliveries; `heavy_rate_rps` is of the
    requests that disturb the others; `arrivals` is how requests come at a rate;
    `delay_s` is given where it is not the profile's, `workers` where the service
    needs so many processes and `slots` where it gets that as its CONCURRENCY: it is started anew
    for each.
    `burst_s` is the CPU time that all bursts of one request take. `delays` names the distribution
    that delays are drawn from (workloads/delays.py), of which `delay_s` is then the mean. `fault`
    is what goes wrong (workloads/faults). So often a caller that gets no answer sends a request:
    `attempts`. `size` is in bytes, of the backend's answers where they differ in it.
    """

    scenario: str
    users: int = 0
    idle_connections: int = 0
    rate_rps: float | None = None
    deliveries_rps: float | None = None
    arrivals: str = "poisson"
    heavy_rate_rps: float = 0.0
    delay_s: float | None = None
    workers: int | None = None
    slots: int | None = None
    burst_s: float = 0.0
    delays: str = ""
    fault: str = ""
    attempts: int = 1
    size: int | None = None

    def settings(self) -> dict[str, str]:
        """The environment that the service is started with for it, beside the run's own."""
        given = {"WORKERS": self.workers, "CONCURRENCY": self.slots}
        # compose.yaml's: a name that is taken away must be one that the service asks for.
        named = {"BACKEND_NAME": BACKEND} if self.fault else {}
        return {name: str(number) for name, number in given.items() if number} | named


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The settings that only profiles of one kind have.

    Each kind has a dataclass of its own; those of its fields that have no default
    must be in profiles.toml. One named `delay_s` is how long the backend takes to
    answer, where it is the same in all steps.
    """

    def steps(self, profile: str) -> Iterable[Step]:
        """The steps of the profile of that name."""
        raise NotImplementedError

    def mistakes(self, window_s: float) -> Iterable[str]:
        """The faults of the values, in a window of so long; empty where a check passed."""
        raise NotImplementedError

    def perfect_loop(self, seed: int, rounds: int, window_s: float) -> dict[str, dict[str, float]]:
        """How one would do, by arithmetic, for the record of a run; nothing by default."""
        return {}

    def on(self, cores: int) -> Self:
        """The same for a service with so many cores; it makes no difference by default."""
        return self


@dataclass(frozen=True, kw_only=True)
class Bursts(Settings):
    """The CPU is used for `burst_ms` at a time.

    The run finds out how many `cycles` that takes here, where they are not given.
    """

    burst_ms: float
    cycles: int = 0

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Both are sizes."""
        yield positive("burst_ms", self.burst_ms)
        if self.cycles:
            yield positive("cycles", self.cycles)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The properties that all profiles of a kind share.

    `calls` are the backend calls of one measured request. `waits` are the delays on
    its critical path: 0 where no ceiling follows from them. `tolerated` is the share
    of requests that may fail. `at_rest` says that what the service holds is read
    before anything is sent, `switches` that the context switches of its threads are
    counted. `steady` says that the load goes on alike, over one connection a user
    where there are any, and is timed as long as it is in flight, so that Little's law
    holds; `answers` that what is counted are answers, as when the generator's ceiling
    is measured; `timed` that any are awaited within a window; `straight` that all it asks a
    service for is one call, so that its users can ask the backend itself.
    `arriving` says that requests arrive at a rate, without users, `stalls` that the
    backend is late on purpose, `drawn` that each request has a delay of its own, `slotted` that
    how many slots a service has is what is compared, `spread` that a service has all cores that
    the load leaves it, `faulty` that something fails on purpose, so that what the service has
    before and after is compared, `gives_up` that callers leave, so that what is late or failed is a
    result, `divides` that several processes can make its load together, `tls` that it can be one
    of TLS. `search_s` is how long the load may look for what it measures.
    """

    settings: type[Settings]
    route: str = "/"
    calls: int = 0
    waits: int = 0
    tolerated: float = 0.001
    at_rest: bool = False
    switches: bool = False
    steady: bool = False
    answers: bool = True
    timed: bool = True
    straight: bool = False
    arriving: bool = False
    stalls: bool = False
    drawn: bool = False
    slotted: bool = False
    spread: bool = False
    faulty: bool = False
    gives_up: bool = False
    divides: bool = False
    tls: bool = False
    search_s: float = 0.0


def rising(name: str, values: Sequence[float], lowest: float = 1) -> str:
    """The mistake in a list of numbers, each more than the one before; empty where none is."""
    if not isinstance(values, tuple):
        return f"{name} must be a list of numbers"
    if all(a < b for a, b in pairwise(values)) and min((*values, lowest)) >= lowest:
        return ""
    return f"{name} must rise from {lowest:g} or more"


def positive(name: str, value: float) -> str:
    """The mistake in a rate, a size or a time; empty where none is."""
    return "" if value > 0 else f"{name} must be positive"


def valid_delay(delay_s: float) -> str:
    """The mistake in a delay of the backend's; empty where none is."""
    return "" if 0.001 <= delay_s <= 60 else "delay_s must be from 0.001 to 60"


def is_multiple(whole_s: float, part_s: float) -> bool:
    """True if `whole_s` is a whole multiple of `part_s`."""
    parts = whole_s / part_s
    return round(parts) >= 1 and abs(parts - round(parts)) < 1e-9
