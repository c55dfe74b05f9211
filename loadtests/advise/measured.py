"""What the newest results say of each service: all that the advice is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from loadtests import catalog
from loadtests.advise.simplicity import ORDER, place
from loadtests.record import Point, Run, Spread, Summary
from loadtests.report import facts
from loadtests.report.parts import Part, derived
from loadtests.report.results import Entry, Results
from loadtests.report.sections import held

# Who answers less than this of what so many users ask for cannot answer more.
KEEPS_UP = 0.9
# What is asked of the results, and the profile or kind of workload that says it.
SOURCES = {
    "standard": ("standard", "delay"),
    "capacity": ("capacity",),
    "held": ("held",),
    "cost": ("cost",),
}


@dataclass(frozen=True)
class Figure:
    """The median over the rounds, and the round that speaks most against the service."""

    median: float
    worst: float


@dataclass(frozen=True)
class Cpu:
    """CPU time of a request at a rate that one run of the service answered."""

    rps: float
    ms: Figure


@dataclass(frozen=True)
class Full:
    """What a service answered to users who asked for more."""

    users: int
    rps: float


@dataclass(frozen=True)
class Service:
    """What is known of a service; None or empty where nothing was measured, or nothing valid.

    `mark` says what it is, where it is not what people run. `workers` are the processes it
    had. Each waits for one request at a time where `one_at_a_time`, and a request is a
    process; for no more than `slots` where it has such a limit of its own. `at_rest_bytes`
    are of a service of one process. `held` is the most that it had in flight at once; with
    more it was `invalid`. `full` is what it answered where it could not keep up.
    """

    name: str
    place: int
    workers: int
    one_at_a_time: bool
    cpu: list[Cpu]
    capacity_rps: Figure | None
    at_rest_bytes: Figure | None
    request_bytes: Figure | None
    held: int
    invalid: bool
    mark: str = ""
    slots: int | None = None
    full: list[Full] = field(default_factory=list)

    @property
    def shown(self) -> str:
        """Its name, with what it is."""
        return f"{self.name} ({self.mark})" if self.mark else self.name


@dataclass(frozen=True)
class Measured:
    """All services, the simplest first; `sources` are folders, None where there is no result.

    `delays_s` are the shortest and the longest delay that the rates were measured at,
    `top_rps` is the most that one core served, `held` the most in flight at once.
    """

    services: list[Service]
    sources: dict[str, str | None]
    machines: list[str]
    delays_s: tuple[float, float]
    top_rps: float
    held: int

    def document(self) -> dict[str, Any]:
        """All of it, and the order of simplicity, for the form in a page."""
        return {**asdict(self), "models": [asdict(model) for model in ORDER]}


def measured(results: Results) -> Measured | None:
    """What the newest results say; None where not even a load was measured.

    Services that are no longer there, and names under which one was measured a second
    time, are left out.
    """
    found: dict[str, tuple[Entry, Part]] = {}
    for source, names in SOURCES.items():
        newest = next(filter(None, map(results.newest, names)), None)
        if newest:
            found[source] = newest
    if not found:
        return None
    parts = {source: part for source, (_, part) in found.items()}
    services = [_service(name, parts) for name in catalog.names() if _runs(name, parts)]
    services.sort(key=lambda service: (service.place, service.name))
    rates = [row for source in ("standard", "capacity", "cost") for row in _rows(parts.get(source))]
    delays = [row.delay_s for row in rates] or [0.0]
    capacities = [one.capacity_rps.median for one in services if one.capacity_rps]
    return Measured(
        services=services,
        sources={s: found[s][0].folder.name if s in found else None for s in SOURCES},
        machines=list(dict.fromkeys(entry.run.machine["name"] for entry, _ in found.values())),
        delays_s=(min(delays), max(delays)),
        top_rps=max(capacities or [cpu.rps for one in services for cpu in one.cpu], default=0.0),
        held=max((one.held for one in services if not one.one_at_a_time), default=0),
    )


def _runs(name: str, parts: dict[str, Part]) -> list[Run]:
    """The runs in which a service said what it is."""
    runs = (part.run for part in parts.values())
    return [run for run in runs if run.services.get(name, {}).get("info")]


def _service(name: str, parts: dict[str, Part]) -> Service:
    about = _runs(name, parts)[0].services[name]
    workers = about["info"]["workers"]
    one_at_a_time = about["info"]["slots"] <= workers

    def rows(source: str) -> list[Summary]:
        return [row for row in _rows(parts.get(source)) if row.service == name]

    def at_rest(points: list[Point]) -> float | None:
        by_held = {point.users: point.pss_bytes or point.rss_bytes for point in points}
        resting = by_held.get(0)
        # Who was started with a process for each request was never without one.
        return resting / workers if resting else by_held.get(1)

    loads = rows("held") + ([] if one_at_a_time else rows("standard"))
    most = max((row.users for row in loads if row.valid), default=0)
    cpu = [
        Cpu(row.rps.median, _worst(row.cpu_ms_per_request, max))
        for row in rows("standard") + rows("cost")
        if row.valid and row.rps and row.rps.median and row.cpu_ms_per_request
    ]
    capacities = [row.capacity_rps for row in rows("capacity") if row.valid]
    capacity = next((one for one in capacities if one and one.min > 0), None)
    waiting = held.memory(parts["held"], name) if "held" in parts else None
    resting = derived(parts["held"], name, at_rest) if "held" in parts else None
    rest = _worst(resting.spread, max) if resting and resting.valid else None
    return Service(
        name=name,
        place=place(about["waits"]),
        workers=workers,
        one_at_a_time=one_at_a_time,
        cpu=sorted(cpu, key=lambda one: one.rps),
        # Where each process waits for one, what it sustains depends on the delay.
        capacity_rps=_worst(capacity, min) if capacity and not one_at_a_time else None,
        at_rest_bytes=rest,
        request_bytes=_worst(waiting.spread, max) if waiting and waiting.valid else None,
        held=most,
        mark=facts.marks(_runs(name, parts)[0]).get(name, ""),
        slots=about["info"]["slots"] // workers if about["limit"] else None,
        full=[
            Full(row.users, row.rps.median)
            for row in ([] if one_at_a_time else rows("standard"))
            if row.valid and row.rps and row.rps.median < KEEPS_UP * row.users / row.delay_s
        ],
        invalid=any(row.users > most for row in loads if not row.valid),
    )


def _rows(part: Part | None) -> list[Summary]:
    return part.run.summary if part else []


def _worst(spread: Spread, worst: Callable[[Iterable[float]], float]) -> Figure:
    return Figure(spread.median, worst((spread.min, spread.max)))
