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
OTHER = ("name", "cores", "system")  # of a machine of the service's own
# Keys that do not name their thing, in words; of others the words are those of the key.
WORDS = {
    "backend_timeout_s": "timeout of the backend (s)",
    "cpu": "CPU",
    "load_processes": "number of load processes",
    "pinned": "pinning to cores",
    "python": "Python",
    "python_build": "build of Python",
    "quota_cores": "limit of cores",
    "system": "operating system",
    "thread_siblings": "which cores share a core",
}
UNITS = {"_s": " (s)", "_ms": " (ms)", "_rps": " (requests/s)", "_bytes": " (bytes)"}
NOT_KNOWN = "not known"
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
    for about in (first, second):
        if "quota_cores" in about:
            about["quota_cores"] = about["quota_cores"] or "none"  # known, and there is none
    yield from differing(first, second, "of the machine", names)
    yield from differing(_memory(a.machine), _memory(b.machine), "of the machine", names)
    for role in dict.fromkeys([*a.machines, *b.machines]):
        one, other = (run.machines.get(role) for run in (a, b))
        if one and other:
            here, there = ({key: it.get(key) for key in OTHER} | _memory(it) for it in (one, other))
            yield from differing(here, there, f"of the {role}'s machine", names)
        else:
            yield f"the {role} has a machine of its own only {names[0] if one else names[1]}"
    for name in ("runtime", "pinned"):
        yield from differing({name: getattr(a, name)}, {name: getattr(b, name)}, names=names)


def _memory(machine: Mapping[str, Any]) -> dict[str, str]:
    size = machine.get("memory_bytes")
    return {"memory": f"{size / 2**30:.0f} GiB" if size else NOT_KNOWN}


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
    first: Mapping[str, Any],
    second: Mapping[str, Any],
    of: str = "",
    names: Names = A_AND_B,
    missing: str = NOT_KNOWN,
) -> Iterator[str]:
    """A few words for each key whose values differ, or that only one of the two has."""
    for key in dict.fromkeys([*first, *second]):
        values = first.get(key), second.get(key)
        if values[0] != values[1]:
            said = (_shown(value, missing) for value in values)
            both = " and ".join(f"{text} {name}" for text, name in zip(said, names, strict=True))
            yield f"{f'{_worded(key)} {of}'.strip()} is {both}"


def only(instruments: Mapping[str, Any] | None) -> dict[str, Any]:
    """The speeds of the machine alone, out of what the instruments found."""
    return {field: (instruments or {}).get(field) for field in SPEEDS}


def _worded(key: str) -> str:
    """The name of a thing as people say it: delay (s), which cores share a core."""
    if key in WORDS:
        return WORDS[key]
    ending = next((one for one in UNITS if key.endswith(one)), "")
    return key.removesuffix(ending).replace("_", " ") + UNITS.get(ending, "")


def _shown(value: Any, missing: str) -> str:
    if value in (None, "", [], ()):
        return missing
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
