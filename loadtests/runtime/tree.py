"""CPU and memory of processes and all that they have started."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from loadtests.runtime import Usage, footprint


class ProcessTree:
    """The processes that `tops` gives at each look, with all their descendants.

    `tops` raises where what it looks for has ended; who asks gets that.
    """

    def __init__(self, tops: Callable[[], list[psutil.Process]]) -> None:
        self._tops = tops
        self._cpu_s: dict[psutil.Process, float] = {}  # of those that have ended, too

    def usage(self) -> Usage:
        """CPU so far and memory now."""
        rss_bytes = 0
        for process in self.processes():
            try:
                self._cpu_s[process] = cpu_s_of(process)
                rss_bytes += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return Usage(sum(self._cpu_s.values()), rss_bytes)

    def each(self) -> dict[int, tuple[float, float]]:
        """CPU so far of each process by its number, and how long it has waited for a core."""
        found = {}
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                found[process.pid] = cpu_s_of(process), queued_s_of(process)
        return found

    def footprint(self, switches: bool) -> footprint.Footprint:
        """Memory and threads now."""
        return footprint.of(self.processes(), switches)

    def processes(self) -> list[psutil.Process]:
        """Those that are there now, each once."""
        found: dict[psutil.Process, None] = {}
        for top in self._tops():
            found[top] = None
            with contextlib.suppress(psutil.NoSuchProcess):
                found |= dict.fromkeys(top.children(recursive=True))
        return list(found)


def cpu_s_of(process: psutil.Process) -> float:
    """CPU time of all threads of `process`; NoSuchProcess where it is gone."""
    # The system counts ticks of 10 ms, fifty requests of a fast service; its clocks count
    # nanoseconds. What makes a clock of a pid is CPUCLOCK_SCHED in Linux's posix-timers.h.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return time.clock_gettime(~process.pid << 3 | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


def queued_s_of(process: psutil.Process) -> float:
    """How long the threads of `process` could have run, and had no core; 0 where nobody knows.

    Linux counts it for each of them, in nanoseconds (Documentation/scheduler/sched-stats.rst).
    """
    waited_ns = 0
    with contextlib.suppress(OSError):
        for task in Path("/proc", str(process.pid), "task").iterdir():
            with contextlib.suppress(OSError, IndexError, ValueError):  # it has just ended
                waited_ns += int((task / "schedstat").read_text().split()[1])
    return waited_ns / 1e9
