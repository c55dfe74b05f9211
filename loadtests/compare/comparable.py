"""Whether anything follows from what two runs differ by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from loadtests.record import Run, fingerprint
from loadtests.record.fingerprint import differing
from loadtests.report.results import facts

# Settings that may differ without the profile measuring something else.
HARMLESS = fingerprint.NO_SETTINGS | {"route", "services", "left_out", "again", "rounds"}
SETTINGS = ("workers", "concurrency", "backend_timeout_s")
MOST_NAMES = 3


def obstacles(a: Run, b: Run) -> list[str]:
    """The reasons not to compare two runs, a few words each; empty where there are none."""
    return [*fingerprint.differences(a, b), *_workloads(a, b), *_kinds(a, b), *_services(a, b)]


def other_profiles(a: Run, b: Run) -> str:
    """The reason that two runs measured nothing of the same kind; empty where they did."""
    if a.workloads.keys() & b.workloads.keys():
        return ""
    return f"the profile is {_profiles(a)} in A and {_profiles(b)} in B"


def _profiles(run: Run) -> str:
    several = len(run.workloads) > MOST_NAMES
    said = facts.joined(list(run.workloads) or ["none"])
    return f"{run.profile} with its {len(run.workloads)} profiles" if several else said


def _workloads(a: Run, b: Run) -> Iterator[str]:
    if why := other_profiles(a, b):
        yield why
    for name in a.workloads.keys() & b.workloads.keys():
        harmless = HARMLESS
        if all("burst_ms" in run.workloads[name] for run in (a, b)):
            harmless = HARMLESS | {"cycles"}  # they are what a burst takes on the day
        first, second = (
            {key: value for key, value in run.workloads[name].items() if key not in harmless}
            for run in (a, b)
        )
        yield from differing(first, second, f"of {name}", missing="not set")


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
            for text in differing(first, second):
                found.setdefault(text, []).append(name)
    for text, names in found.items():
        whose = facts.joined(names) if len(names) <= MOST_NAMES else f"{len(names)} services"
        yield f"{text} ({whose})"


def _told(info: dict[str, Any] | None) -> dict[str, Any]:
    if info is None:
        return {}
    return {key: info.get(key) for key in SETTINGS} | {"Python": info["versions"].get("python")}
