"""Which two runs, and whether anything follows from what they differ by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loadtests.record import Run
from loadtests.report import facts

# What a profile may be told, or measure how often, without measuring something else.
HARMLESS = {"title", "route", "services", "left_out", "again", "rounds"}
MACHINE = ("name", "cpu", "cores", "python", "python_build")
SETTINGS = ("workers", "concurrency", "backend_timeout_s")
MOST_NAMES = 3


class NoSuchRun(ValueError):
    """A name that is no run's, or that of several; the text says what to do."""


def find(wanted: str, results: Path) -> Path:
    """The `run.json` of a folder in `results`, or the beginning of its name; or of any path."""
    for path in (results / wanted, Path(wanted)):
        if wanted and path.is_file():
            return path
        if wanted and (path / "run.json").is_file():
            return path / "run.json"
    folders = (file.parent.name for file in results.glob("*/run.json"))
    names = sorted(name for name in folders if not name.endswith("-ladder"))
    found = [name for name in names if wanted and name.startswith(wanted)]
    if len(found) == 1:
        return results / found[0] / "run.json"
    if not names:
        raise NoSuchRun(f"no runs in {results}: make bench")
    if not wanted:
        raise NoSuchRun(f"which two? make compare A=… B=…, of: {', '.join(names)}")
    if found:
        raise NoSuchRun(f"{wanted!r} begins the name of several runs: {', '.join(found)}")
    raise NoSuchRun(f"no run {wanted!r} in {results}; there are: {', '.join(names)}")


def obstacles(a: Run, b: Run) -> list[str]:
    """What makes two runs no measurements of the same, a few words each; empty where nothing."""
    return [*_surroundings(a, b), *_workloads(a, b), *_kinds(a, b), *_services(a, b)]


def _surroundings(a: Run, b: Run) -> Iterator[str]:
    known = [key for key in MACHINE if key in a.machine and key in b.machine]
    yield from _differing({key: a.machine[key] for key in known}, b.machine, "of the machine")
    sizes = [f"{run.machine['memory_bytes'] / 2**30:.0f} GiB" for run in (a, b)]
    yield from _differing({"memory": sizes[0]}, {"memory": sizes[1]}, "of the machine")
    for name in ("runtime", "pinned"):
        yield from _differing({name: getattr(a, name)}, {name: getattr(b, name)})


def _workloads(a: Run, b: Run) -> Iterator[str]:
    if not a.workloads.keys() & b.workloads.keys():
        profiles = [facts.joined(list(run.workloads)) for run in (a, b)]
        yield "the profile is {} in A and {} in B".format(*profiles)
    for name in a.workloads.keys() & b.workloads.keys():
        harmless = HARMLESS
        if all("burst_ms" in run.workloads[name] for run in (a, b)):
            harmless = HARMLESS | {"cycles"}  # they are what a burst takes on the day
        first, second = (
            {key: value for key, value in run.workloads[name].items() if key not in harmless}
            for run in (a, b)
        )
        yield from _differing(first, second, f"of {name}")


def _kinds(a: Run, b: Run) -> Iterator[str]:
    """Services that are not the same any more, though they have the same name."""
    changed = [
        name
        for name in sorted(a.services.keys() & b.services.keys())
        if a.services[name]["kind"] != b.services[name]["kind"]
    ]
    if changed:
        whose = facts.joined(changed) if len(changed) <= MOST_NAMES else f"{len(changed)} services"
        kinds = (run.services[changed[0]]["kind"] or "not known" for run in (a, b))
        yield "the kind of {} is {} in A and {} in B".format(whose, *kinds)


def _services(a: Run, b: Run) -> Iterator[str]:
    """Settings that all services get and the interpreter they run under, each said once."""
    found: dict[str, list[str]] = {}
    for name in sorted(a.services.keys() & b.services.keys()):
        first, second = (_told(run.services[name].get("info")) for run in (a, b))
        if first and second:
            for text in _differing(first, second):
                found.setdefault(text, []).append(name)
    for text, names in found.items():
        whose = facts.joined(names) if len(names) <= MOST_NAMES else f"{len(names)} services"
        yield f"{text} ({whose})"


def _told(info: dict[str, Any] | None) -> dict[str, Any]:
    if info is None:
        return {}
    return {key: info.get(key) for key in SETTINGS} | {"Python": info["versions"].get("python")}


def _differing(first: dict[str, Any], second: dict[str, Any], of: str = "") -> Iterator[str]:
    for key in dict.fromkeys([*first, *(key for key in second if not of.endswith("machine"))]):
        values = first.get(key), second.get(key)
        if values[0] != values[1]:
            name = f"{key} {of}".strip()
            yield "{} is {} in A and {} in B".format(name, *map(_shown, values))


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
