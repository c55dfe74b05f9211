"""Which cores a run has: those that it is pinned to, and what may make less of them.

Two processors may be threads of one core, which then share its arithmetic units, and a cgroup
may have a quota of CPU time, which is spent on all of its cores. Known on Linux only.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

TOPOLOGY = Path("/sys/devices/system/cpu")
CGROUPS = Path("/sys/fs/cgroup")
OWN_CGROUPS = Path("/proc/self/cgroup")


def split(
    allowed: Iterable[int] | None = None, known: bool = True, load: int = 1
) -> tuple[set[int], set[int]] | None:
    """A core for the service and one for backend and generator; None where there is only one.

    Of the `allowed` ones, or of those of this process. Not two threads of one core, where there
    are others; on another system than this one that is not `known`. The generator may have as
    many processes as `load`: it gets a core for each, as far as there are more.
    """
    if allowed is None:
        if not hasattr(psutil.Process, "cpu_affinity"):
            return None
        allowed = psutil.Process().cpu_affinity()
    first, *others = sorted(allowed)
    if not others:
        return None
    shared = _numbers(siblings(first) or "") if known else ()
    apart = [core for core in others if core not in shared] or others
    chosen: set[int] = set()
    for core in apart:
        threads = _numbers(siblings(core) or "") if known else set()
        if len(chosen) < load and not chosen & threads:
            chosen.add(core)
    return {first}, chosen


def spread(
    allowed: Iterable[int] | None = None, known: bool = True
) -> tuple[set[int], set[int]] | None:
    """Cores for a service of several processes, and for the load; None where there is only one.

    As in `split`, but of three cores or more the service has all but the last one; two are
    for both. Of the threads of a core the first counts, where there are two cores.
    """
    if split(allowed, known) is None:
        return None
    found = sorted(psutil.Process().cpu_affinity() if allowed is None else allowed)
    firsts = {min(_numbers(siblings(core) or "") & {*found}, default=core) for core in found}
    chosen = sorted(firsts) if known and len(firsts) > 1 else found
    if len(chosen) == 2:
        return {*chosen}, {*chosen}
    return {*chosen[:-1]}, {chosen[-1]}


def processes(most: int) -> tuple[int, ...]:
    """Numbers of processes for so many cores: 1, 2, 4 and so on, and as many as there are."""
    return (*(2**power for power in range(most.bit_length()) if 2**power < most), most)


def siblings(core: int) -> str | None:
    """The threads of the core that `core` is one of, as Linux writes it: 0,4; None if unknown."""
    try:
        return (TOPOLOGY / f"cpu{core}/topology/thread_siblings_list").read_text(
            encoding="utf-8"
        ).strip() or None
    except OSError:
        return None


def quota() -> float | None:
    """How many cores the cgroups of this process may use; None if unlimited, or unknown."""
    found = []
    with contextlib.suppress(OSError):
        for line in OWN_CGROUPS.read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            if not controllers:  # version 2, alone or beside version 1
                found += [_of(folder) for top in ("", "unified") for folder in _up(top, path)]
            elif "cpu" in controllers.split(","):
                found += [_of_version_1(folder) for folder in _up(controllers, path)]
    limits = [cores for cores in found if cores is not None]
    return round(min(limits), 2) if limits else None


def warnings(machine: Mapping[str, Any]) -> list[str]:
    """Why this machine, as the record of a run describes it, is not fit for what it measures."""
    said = []
    cores, most = min(2, machine["cores"]), machine.get("quota_cores")
    if most is not None and most < cores:
        said.append(
            f"a quota lets the bench use {most:g} cores where service and load need {cores}: "
            "they are stopped each time it is used up, and no figure is the service's alone"
        )
    threads = machine.get("thread_siblings") or []
    if len(threads) > len(set(threads)):
        said.append("service and load are on two threads of one core, and slow each other down")
    return said


def _up(top: str, path: str) -> list[Path]:
    """The folders of a cgroup and of those above it, as far as they can be seen from here."""
    root = CGROUPS / top
    folder = Path(os.path.normpath(f"/{path.strip('/')}"))  # /../.. in another's namespace
    return [root / each.relative_to("/") for each in (folder, *folder.parents)]


def _of(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        most, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
        return int(most) / int(period)  # or "max"
    return None


def _of_version_1(folder: Path) -> float | None:
    with contextlib.suppress(OSError, ValueError):
        most, period = (
            int((folder / f"cpu.cfs_{name}_us").read_text(encoding="utf-8"))
            for name in ("quota", "period")
        )
        return most / period if most > 0 else None
    return None


def _numbers(cores: str) -> set[int]:
    """The cores of a list like 0-1,8."""
    found: set[int] = set()
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", cores):
        found.update(range(int(first), int(last or first) + 1))
    return found
