"""The services of this repository that are nearest to what was measured of the reader's own."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log
from pathlib import Path

from loadtests import record
from loadtests.record import InvalidRun, Run, Summary

STOCK = "stock"
LIKE = ("delay", "clients")  # the kinds of workload that `waits try` is like
# The one that is installed is taken for the one that serves; aiohttp may be there for its client.
FRAMEWORKS = ("fastapi", "django", "flask", "sanic", "tornado", "twisted")
CLIENT_TOO = "aiohttp"


@dataclass(frozen=True)
class Beside:
    """A service's figures at the load that is nearest, and of which run they are."""

    row: Summary
    run: Run

    def where(self, machine: str) -> str:
        """The machine and the day, and that it is another machine's than this one, where it is."""
        other = "" if self.run.machine["name"] == machine else ", another machine"
        return f"{self.run.machine['name']}, {self.run.started_at[:10]}{other}"


def nearest(
    results: Path, users: int, delay_s: float, like: str, machine: str, packages: Iterable[str] = ()
) -> list[Beside]:
    """The service `like`, those of the framework in `packages`, or the fastest and slowest.

    Of a run of this `machine`, or of any where there is none; at the load that is nearest, the
    newest of several. Only what people run, and what was valid.
    """
    best: list[Beside] = []
    least: tuple[bool, bool, float] | None = None
    for run in sorted(_runs(results), key=lambda run: run.started_at, reverse=True):
        rows, far = _at(run, users, delay_s)
        stock = [row for row in rows if run.services[row.service].get("kind") == STOCK]
        alike = _of_framework(stock, run, set(packages))
        found = alike or _ends(stock)
        if like:
            found = [row for row in rows if row.service == like]
        distance = not alike and not like, run.machine["name"] != machine, far
        if found and (least is None or distance < least):
            best, least = [Beside(row, run) for row in found], distance
    return best


def _runs(results: Path) -> list[Run]:
    found = []
    for file in results.glob("*/run.json"):
        try:
            found.append(record.load(file, check=False))
        except InvalidRun:
            continue  # `make report` says so
    return found


def _at(run: Run, users: int, delay_s: float) -> tuple[list[Summary], float]:
    """The valid rows of closed users at the load nearest to so many and this delay; how far it is.

    A factor in the delay counts as much as its fourth power in the users.
    """
    profiles = {
        name
        for name, about in run.workloads.items()
        if about["kind"] in LIKE and not about.get("new_connections")
    }
    rows = [row for row in run.summary if row.profile in profiles and row.valid and row.rps]
    rows = [row for row in rows if "again_of" not in run.services[row.service]]

    def far(row: Summary) -> float:
        return abs(log(row.delay_s / delay_s)) * 4 + abs(log(row.users / users))

    if not rows:
        return [], 0.0
    best = min(map(far, rows))
    one_each = {row.service: row for row in rows if far(row) == best}  # not of two profiles
    return list(one_each.values()), best


def _of_framework(rows: list[Summary], run: Run, packages: set[str]) -> list[Summary]:
    """The fastest and the slowest of the framework that is installed, where that is one."""
    installed = packages.intersection(FRAMEWORKS) or packages & {CLIENT_TOO}
    if len(installed) != 1:
        return []
    framework = {row.service: run.services[row.service]["framework"].lower() for row in rows}
    return _ends([row for row in rows if framework[row.service] in installed])


def _ends(rows: list[Summary]) -> list[Summary]:
    """The fastest and the slowest of them."""
    order = sorted(rows, key=lambda row: row.rps.median if row.rps else 0.0)
    return order[-1:] + order[:1] if len(order) > 1 else order
