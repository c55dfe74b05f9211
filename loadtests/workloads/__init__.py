"""The kinds of workload: a package for each.

A package has its KIND, with the steps and the settings of its profiles; `load.py`,
the users and connections that make the load; and `section.py`, how a report shows
what was measured. `load.py` needs Locust, which patches the process that imports
it, so that nothing else in a package imports it.
"""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from loadtests.workloads import (
    capacity,
    chat,
    clients,
    composite,
    cores,
    cost,
    delay,
    delay_map,
    faults,
    file_read,
    held,
    interference,
    open_rate,
    overload,
    payload,
    pollers,
    pool,
    stall,
    tail,
)
from loadtests.workloads.kind import Kind

# By the names that profiles.toml and run.json have for them.
PACKAGES = {
    "delay": delay,
    "clients": clients,
    "composite": composite,
    "interference": interference,
    "chat": chat,
    "pollers": pollers,
    "file": file_read,
    "stall": stall,
    "map": delay_map,
    "held": held,
    "open": open_rate,
    "cost": cost,
    "capacity": capacity,
    "tail": tail,
    "pool": pool,
    "cores": cores,
    "faults": faults,
    "overload": overload,
    "payload": payload,
}
KINDS: dict[str, Kind] = {name: package.KIND for name, package in PACKAGES.items()}


def module(kind: str, name: str) -> ModuleType:
    """A module that the package of each kind has: `load` or `section`."""
    return import_module(f"{PACKAGES[kind].__name__}.{name}")
