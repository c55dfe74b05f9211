"""Figures may stand together if they are of the same machine in the same state.

A machine is the same by its name, cores, memory, kernel and interpreter; and it is as fast as
it was where the instruments say so: a virtual machine has other neighbours an hour later.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from loadtests.record import Run

MACHINE = (
    *("name", "cpu", "cores", "quota_cores", "thread_siblings"),
    *("system", "python", "python_build"),
)
OTHER = ("name", "cores", "memory_bytes", "system")  # of a machine of the service's own
SPEEDS = {
    "burn_cycles_per_ms": "turns of an empty loop in a millisecond",
    "generator_ceiling_rps": "requests/s of the generator alone",
}
# Keys of a workload that are no settings: what the run's seed decides, what generator and backend
# do without a service, and when it was measured.
NO_SETTINGS = {"title", "perfect_loop", "perfect", "measured"}
SAME_SPEED = 0.10  # by which the speeds of one machine may differ
Names = tuple[str, str]
A_AND_B = ("in A", "in B")


def differences(a: Run, b: Run, names: Names = A_AND_B) -> list[str]:
    """The signs that two runs are of different machines, a few words each; empty where none."""
    return [*surroundings(a, b, names), *speeds(a.instruments, b.instruments, names)]


def surroundings(a: Run, b: Run, names: Names = A_AND_B) -> Iterator[str]:
    """Differences of the machine, the interpreter and the runtime."""
    known = [key for key in MACHINE if key in a.machine and key in b.machine]
    first, second = ({key: run.machine[key] for key in known} for run in (a, b))
    yield from differing(first, second, "of the machine", names)
    sizes = [f"{run.machine['memory_bytes'] / 2**30:.0f} GiB" for run in (a, b)]
    yield from differing({"memory": sizes[0]}, {"memory": sizes[1]}, "of the machine", names)
    for role in dict.fromkeys([*a.machines, *b.machines]):
        one, other = (run.machines.get(role, {}) for run in (a, b))
        here, there = ({key: about.get(key) for key in OTHER} for about in (one, other))
        yield from differing(here, there, f"of the {role}'s machine", names)
    for name in ("runtime", "pinned"):
        yield from differing({name: getattr(a, name)}, {name: getattr(b, name)}, names=names)


def speeds(
    a: Mapping[str, Any] | None, b: Mapping[str, Any] | None, names: Names = A_AND_B
) -> Iterator[str]:
    """The speeds that differ by more than SAME_SPEED; none where they were not measured."""
    for field, what in SPEEDS.items():
        pair = [float((instruments or {}).get(field) or 0) for instruments in (a, b)]
        if min(pair) > 0 and max(pair) > min(pair) * (1 + SAME_SPEED):
            said = " and ".join(f"{it:,.0f} {name}" for it, name in zip(pair, names, strict=True))
            yield f"the machine's speed differs by more than {SAME_SPEED:.0%}: {what} are {said}"


def mixed(runs: Mapping[str, Run]) -> list[str]:
    """Differences between the first of some runs and the others, by their names."""
    first = next(iter(runs), "")
    return [
        text
        for name, run in runs.items()
        for text in differences(runs[first], run, (f"in {first}", f"in {name}"))
    ]


def mixed_parts(run: Run) -> list[str]:
    """Differences between the profiles of a run, which may have been measured one by one."""
    parts = {
        name: about["measured"] for name, about in run.workloads.items() if "measured" in about
    }
    first = next(iter(parts), "")
    return [
        text
        for name, part in parts.items()
        for text in _differing_parts(parts[first], part, (f"in {first}", f"in {name}"))
    ]


def _differing_parts(a: dict[str, Any], b: dict[str, Any], names: Names) -> Iterator[str]:
    yield from speeds(a["instruments"], b["instruments"], names)
    yield from differing({"files": a["services"]}, {"files": b["services"]}, "of services", names)


def differing(
    first: Mapping[str, Any], second: Mapping[str, Any], of: str = "", names: Names = A_AND_B
) -> Iterator[str]:
    """A few words for each key whose values differ, or that only one of the two has."""
    for key in dict.fromkeys([*first, *second]):
        values = first.get(key), second.get(key)
        if values[0] != values[1]:
            said = (_shown(value) for value in values)
            both = " and ".join(f"{text} {name}" for text, name in zip(said, names, strict=True))
            yield f"{f'{key} {of}'.strip()} is {both}"


def only(instruments: Mapping[str, Any] | None) -> dict[str, Any]:
    """The speeds of the machine alone, out of what the instruments found."""
    return {field: (instruments or {}).get(field) for field in SPEEDS}


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
