"""A service in more and more processes: what each further one gains, and what it takes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

from loadtests.bench.cores import processes
from loadtests.workloads.delay import KIND as DELAY
from loadtests.workloads.kind import Settings, Step, positive, rising, valid_delay


@dataclass(frozen=True, kw_only=True)
class Cores(Settings):
    """How many users there are, how long each waits, and in how many `processes` of the service.

    Where these are not given they are 1, 2, 4 and so on, up to the service's cores.
    """

    users: int
    delay_s: float
    processes: tuple[int, ...] = ()

    def steps(self, profile: str) -> Iterable[Step]:
        """Closed, and by processes: each number of them is a start of the service."""
        for number in self.processes or (1,):
            said = "1-process" if number == 1 else f"{number}-processes"
            name = f"{profile}-{self.users}-users-{self.delay_s * 1000:g}ms-{said}"
            yield Step(name, self.users, workers=number)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself."""
        yield positive("users", self.users)
        yield valid_delay(self.delay_s)
        yield rising("processes", self.processes)

    def on(self, cores: int) -> Self:
        """With the numbers of processes that so many cores are for, where none are given."""
        return self if self.processes else replace(self, processes=processes(max(1, cores)))


KIND = replace(DELAY, settings=Cores, straight=False, spread=True, tls=False)
"""As in `delay`: the service is another one only by its number of processes."""
