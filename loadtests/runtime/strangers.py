"""The CPU that others took of the cores that are measured, and that the host took of them.

Of other processes by their own clocks, as the system's ticks keep step with a load that is
even; of the host, steal, by `/proc/stat`, which alone has it. On Linux only.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK_S = 1 / os.sysconf("SC_CLK_TCK")
KERNEL = 0x00200000  # PF_KTHREAD: what a thread of the kernel does is anybody's
# Where the threads of a process ran is asked for only where it used so much of a core.
SOME = 0.002


@dataclass(frozen=True)
class Process:
    """Use of CPU: by its own clock, of all its threads; and by children it has buried."""

    cpu_s: float
    children_s: float
    parent: int
    session: int
    began: int


@dataclass(frozen=True)
class Look:
    """All processes, and the time stolen from each core, at an instant.

    The run's own are those of `tops`, and all that they started.
    """

    at_s: float
    processes: dict[int, Process]
    steal_s: dict[int, float]
    tops: Collection[int]

    def is_own(self, pid: int) -> bool:
        """Whether `pid` is of `tops` or descends from one, or is of the session of who does."""
        while process := self.processes.get(pid):
            leader = self.processes.get(process.session)
            if pid in self.tops or process.parent in self.tops:
                return True
            if leader and leader.parent in self.tops:
                return True
            pid = process.parent
        return False


def look(tops: Collection[int]) -> Look | None:
    """The processes in /proc now, in 10 us for each process; None where there is no such thing."""
    if sys.platform != "linux":
        return None
    found = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(PROC):
            if name.isdigit():
                with contextlib.suppress(OSError, ValueError, IndexError):  # it has just ended
                    if process := _process(int(name)):
                        found[int(name)] = process
        return Look(time.monotonic(), found, _steal_s(), frozenset(tops))
    return None


def container_top(pid: int, container: str) -> int | None:
    """The process that started all of a `container`, whose first one is `pid`.

    None where it cannot be seen: another kernel's processes have numbers, too, so it is one
    whose command names the container.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):
        parent = int(_stat(PROC / str(pid) / "stat")[1])
        if container.encode() in (PROC / str(parent) / "cmdline").read_bytes():
            return parent
    return None


def shares(
    first: Look | None,
    last: Look | None,
    service: Collection[int],
    load: Collection[int],
) -> dict[str, float | None]:
    """`strangers_…` and `steal_…` of a point: shares of the service's and the load's core.

    Strangers are all that are not the run's own, of whose sessions some have lost their parents.
    One that wanders counts where it is at the end, and the kernel's threads nowhere.
    """
    names = ("strangers_service", "strangers_load", "steal_service", "steal_load")
    if first is None or last is None or last.at_s <= first.at_s:
        return dict.fromkeys(names)
    over_s = last.at_s - first.at_s
    on: dict[int, float] = {}
    for pid, used_s in _used_s(first, last).items():
        if used_s <= SOME * over_s or last.is_own(pid):
            continue
        places = _places(pid)
        for cpu in places:
            on[cpu] = on.get(cpu, 0.0) + used_s / len(places)
    stolen = {cpu: now - first.steal_s.get(cpu, now) for cpu, now in last.steal_s.items()}

    def share(of: dict[int, float], cpus: Collection[int]) -> float:
        there = cpus or last.steal_s
        used_s = sum(min(over_s, of.get(cpu, 0.0)) for cpu in there)
        return round(used_s / len(there) / over_s, 4)

    values = (share(on, service), share(on, load), share(stolen, service), share(stolen, load))
    return dict(zip(names, values, strict=True))


def _used_s(first: Look, last: Look) -> dict[int, float]:
    """CPU that each process used between two looks, and that its children used which ended."""
    used = {}
    for pid, now in last.processes.items():
        then = first.processes.get(pid)
        if then is None or then.began != now.began:
            then = Process(0.0, 0.0, 0, 0, 0)
        used[pid] = (now.cpu_s - then.cpu_s) + (now.children_s - then.children_s)
    for pid, then in first.processes.items():
        same = pid in last.processes and last.processes[pid].began == then.began
        if same:
            continue
        # All of it, also from before, is now with the one that buried it: its parent, or the
        # next one up where that has ended, too.
        heir, seen = then.parent, {pid}
        while heir not in used and heir in first.processes and heir not in seen:
            seen.add(heir)
            heir = first.processes[heir].parent
        if heir in used:
            used[heir] -= then.cpu_s + then.children_s
    return used


def _process(pid: int) -> Process | None:
    fields = _stat(PROC / str(pid) / "stat")
    if int(fields[6]) & KERNEL:
        return None
    children_s = (int(fields[13]) + int(fields[14])) * TICK_S
    # A clock of nanoseconds, also of what threads used that have ended: CPUCLOCK_SCHED in
    # Linux's posix-timers.h.
    cpu_s = time.clock_gettime(~pid << 3 | 2)
    return Process(cpu_s, children_s, int(fields[1]), int(fields[3]), int(fields[19]))


def _places(pid: int) -> list[int]:
    """The core on which each of its threads ran last; empty where it has ended."""
    places = []
    with contextlib.suppress(OSError):
        for task in os.listdir(PROC / str(pid) / "task"):
            with contextlib.suppress(OSError, IndexError):
                places.append(int(_stat(PROC / str(pid) / "task" / task / "stat")[36]))
    return places


def _stat(path: Path) -> list[bytes]:
    """The fields of a stat file from the third one on: the name before may hold anything."""
    return path.read_bytes().rpartition(b") ")[2].split()


def _steal_s() -> dict[int, float]:
    """Of each core, the time for which the host ran something else."""
    found = {}
    for line in (PROC / "stat").read_text(encoding="utf-8").splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and len(ticks) > 7:
            found[int(name[3:])] = int(ticks[7]) * TICK_S
    return found
