"""Memory and threads of a service's processes, and how often their threads were switched.

Linux has a file for each thread with its switches: 150 ms for 5000 threads on a machine
on which everything else here takes 15. So they are read only for who asks.
"""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Footprint:
    """Figures of a process tree; None where the system has no such thing, or nobody asked.

    The proportional set size shares a page between all who have mapped it.
    Switches count from the start of each thread that still runs. The kernel's memory is that of
    the whole machine: no process has it.
    """

    pss_bytes: int | None = None
    threads: int | None = None
    descriptors: int | None = None
    voluntary_switches: int | None = None
    involuntary_switches: int | None = None
    kernel_bytes: int | None = None


LEASE = "lease"  # as the shell is named that holds it (runtime/lease.py)

# The same read by a shell in a container, of all processes but itself, the container's init
# and a lease. Here something may be started: it is no part of a window.
SHELL = """
set --
descriptors=0
threads=0
for process in /proc/[0-9]*; do
    case $process in /proc/1 | /proc/$$) continue ;; esac
    read -r name <$process/comm
    [ "$name" = @LEASE@ ] && continue
    for file in $process/fd/*; do descriptors=$((descriptors + 1)); done
    for file in $process/task/*; do threads=$((threads + 1)); done
    set -- "$@" $process/smaps_rollup
    [ "$wanted" = switches ] && set -- "$@" $process/task/*/status
done
echo "Descriptors: $descriptors"
echo "Threads: $threads"
grep -hE '^(Pss|(non)?voluntary_ctxt_switches):' "$@"
echo
""".replace("@LEASE@", LEASE)


def of(processes: Iterable[psutil.Process], switches: bool) -> Footprint:
    """The footprint of `processes`, with their switches where they are asked for."""
    lines: list[str] = []
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError, ProcessLookupError):
            lines += [f"Threads: {process.num_threads()}", f"Descriptors: {process.num_fds()}"]
            if sys.platform == "linux":
                folder = Path("/proc", str(process.pid))
                lines += (folder / "smaps_rollup").read_text(encoding="utf-8").splitlines()
                lines += _switches(folder) if switches else []
    return read(lines)


def read(lines: Iterable[str]) -> Footprint:
    """Add up lines as /proc has them: a name, a colon, a number."""
    sums: dict[str, int] = {}
    for line in lines:
        name, _, value = line.partition(":")
        if name in _FIELDS:
            sums[_FIELDS[name]] = sums.get(_FIELDS[name], 0) + int(value.split()[0])
    if "pss_bytes" in sums:
        sums["pss_bytes"] *= 1024
    return Footprint(**sums)


def kernel_bytes() -> int | None:
    """Memory of the kernel that grows with sockets and threads; None where it does not say.

    Slabs, among them sockets and what describes a thread; stacks of threads; TCP's buffers.
    """
    try:
        meminfo = Path("/proc/meminfo").read_text(encoding="utf-8")
        sockets = Path("/proc/net/sockstat").read_text(encoding="utf-8")
    except OSError:
        return None
    found = {name: int(kib) for name, kib in re.findall(r"^(\w+): +(\d+) kB", meminfo, re.M)}
    pages = re.search(r"^TCP: .* mem (\d+)", sockets, re.M)
    buffers_bytes = int(pages[1]) * resource.getpagesize() if pages else 0
    return 1024 * (found["SUnreclaim"] + found["KernelStack"]) + buffers_bytes


_FIELDS = {
    "Pss": "pss_bytes",
    "Threads": "threads",
    "Descriptors": "descriptors",
    "voluntary_ctxt_switches": "voluntary_switches",
    "nonvoluntary_ctxt_switches": "involuntary_switches",
}


def _switches(folder: Path) -> list[str]:
    """The lines with the switches of each thread: that of the process is of its first one only."""
    lines: list[str] = []
    for task in (folder / "task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            lines += (task / "status").read_text(encoding="utf-8").splitlines()[-2:]
    return lines
