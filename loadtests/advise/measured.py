"""The newest results of each service: all that the advice is made of."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from loadtests import catalog
from loadtests.advise import figure, scaling
from loadtests.advise.figure import Figure
from loadtests.advise.question import LABELS
from loadtests.advise.scaling import Several
from loadtests.advise.simplicity import ORDER, place
from loadtests.advise.sources import LOADS, SAME_SPEED, Sources, sources
from loadtests.record import Point, Run, Summary
from loadtests.report.results import facts, waiting
from loadtests.report.results.parts import Part, derived
from loadtests.report.results.stored import Results

# A service that answers less than this of what it is asked for cannot answer more: of users, who
# ask again only when they were answered, and of arrivals at a rate.
KEEPS_UP, KEEPS_UP_OPEN = 0.9, 0.98
# The respects in which two services may differ.
MADE_OF = ("framework", "model", "server", "client")


@dataclass(frozen=True)
class Load:
    """One process of a service at a load, `waiting` requests in flight at once.

    Of the time that a request took on average `own_s` was not the backend's delay. `full` where
    it answered less than it was asked for, and nothing but the service was the reason: it
    cannot answer more than `rps` with so many waiting.
    """

    delay_s: float
    rps: float
    waiting: int
    cpu_ms: Figure | None
    p99_ms: Figure | None
    full: bool = False
    own_s: float = 0.0


@dataclass(frozen=True)
class Service:
    """The results of a service; None or empty where nothing was measured, or nothing valid.

    `mark` says what it is, where it is not what people run. `workers` are the processes it
    had. Each waits for one request at a time where `one_at_a_time`, and a request is a
    process; for no more than `slots` where it has such a `limit` of its own. `loads` are in
    the order of their delays and rates. `capacity_rps` is what a process sustains, where
    nothing else was the limit. `at_rest_bytes` are of a service of one process. `held` is
    the most that it had in flight at once; with more it was `invalid`. `made_of` are its
    framework, model, server and client, by name, and `advice` its settings (change.py). `several`
    is what more processes do together.
    """

    name: str
    place: int
    workers: int
    one_at_a_time: bool
    loads: list[Load]
    capacity_rps: Figure | None
    at_rest_bytes: Figure | None
    request_bytes: Figure | None
    held: int
    invalid: bool
    mark: str = ""
    slots: int | None = None
    limit: str = ""
    made_of: dict[str, str] = field(default_factory=dict)
    advice: dict[str, str] = field(default_factory=dict)
    several: list[Several] = field(default_factory=list)

    @property
    def most_processes(self) -> int:
        """The most processes that it was measured with."""
        return max([self.workers, *(one.processes for one in self.several)])

    @property
    def shown(self) -> str:
        """The service's name, with its mark."""
        return f"{self.name} ({self.mark})" if self.mark else self.name

    @property
    def people_run_it(self) -> bool:
        """False of what is bare, a lesson or a mistake: nobody is advised to run that."""
        return self.mark in ("", "tuned")


@dataclass(frozen=True)
class Measured:
    """All services, the simplest first; `sources` are folders, None where there is no result.

    `delays_s` are the shortest and the longest delay that the rates were measured at,
    `top_rps` is the most that one process answered, `held` the most in flight at once.
    """

    services: list[Service]
    sources: dict[str, str | None]
    delays_s: tuple[float, float]
    top_rps: float
    held: int
    where: str = ""
    left_out: list[str] = field(default_factory=list)
    speeds: float = 1.0

    @property
    def caveats(self) -> list[str]:
        """Warnings about the results."""
        found = []
        if self.speeds > SAME_SPEED:
            percent = round(100 * (self.speeds - 1))
            found.append(
                f"The machine was {percent} % faster in one of these runs than in another."
            )
        if self.left_out:
            found.append(
                f"Left out, as of another machine, interpreter or runtime: {len(self.left_out)} "
                f"runs, the newest {self.left_out[0]}."
            )
        return found

    def document(self) -> dict[str, Any]:
        """All of it, and the order of simplicity, for the form in a page."""
        return {**asdict(self), "models": [asdict(model) for model in ORDER], "labels": LABELS}


def measured(results: Results) -> Measured | None:
    """The newest results; None where not even a load was measured.

    Services that are no longer there, and names under which one was measured a second
    time, are left out, and the floor: nobody can choose it.
    """
    found = sources(results)
    if found is None:
        return None
    there = [one for one in catalog.select("") if one.kind != catalog.FLOOR]
    services = [_service(one, found) for one in there if _runs(one.name, found)]
    services.sort(key=lambda service: (service.place, service.name))
    loads = [load for service in services for load in service.loads]
    delays = [load.delay_s for load in loads] or [0.0]
    return Measured(
        services=services,
        sources=found.folders,
        delays_s=(min(delays), max(delays)),
        top_rps=max((load.rps for load in loads), default=0.0),
        held=max((one.held for one in services if not one.one_at_a_time), default=0),
        where=found.where,
        left_out=found.left_out,
        speeds=found.speeds,
    )


def _runs(name: str, found: Sources) -> list[Run]:
    """The runs in which a service said what it is."""
    runs = (part.run for _, part in found.found)
    return [run for run in runs if run.services.get(name, {}).get("info")]


def _service(service: catalog.Service, found: Sources) -> Service:
    name = service.name
    run = _runs(name, found)[0]
    about = run.services[name]
    workers = about["info"]["workers"]
    one_at_a_time = about["info"]["slots"] <= workers
    limit = about.get("limit", "")

    def at_rest(points: list[Point]) -> float | None:
        by_held = {point.users: point.pss_bytes for point in points}
        resting = by_held.get(0)
        # A service started with a process for each request was never without one.
        return resting / workers if resting else by_held.get(1)

    rows = [(part, row) for part in found.parts(*LOADS) for row in part.run.summary]
    under_load = [(part, row) for part, row in rows if row.service == name]
    loads = [_load(part, row) for part, row in under_load if row.valid and row.rps]
    loads.sort(key=lambda load: (load.delay_s, load.rps, load.waiting))
    held_part = next(iter(found.parts("held")), None)
    held = [row for row in held_part.run.summary if row.service == name] if held_part else []
    most = max((row.users for row in held if row.valid), default=0)
    if not one_at_a_time:
        most = max([most, *(load.waiting for load in loads)])
    tried = held + ([] if one_at_a_time else [row for _, row in under_load])
    memory = waiting.memory(held_part, name) if held_part else None
    resting = derived(held_part, name, at_rest) if held_part else None
    return Service(
        name=name,
        place=place(about["waits"]),
        workers=workers,
        one_at_a_time=one_at_a_time,
        loads=loads,
        # Where each process waits for one, what it sustains depends on the delay.
        capacity_rps=None if one_at_a_time else _capacity(found, name),
        at_rest_bytes=figure.of(resting.spread, max) if resting and resting.valid else None,
        request_bytes=figure.of(memory.spread, max) if memory and memory.valid else None,
        held=most,
        mark=facts.marks(run).get(name, ""),
        slots=about["info"]["slots"] // workers if limit else None,
        limit=limit,
        made_of={part: getattr(service, part) for part in MADE_OF},
        advice=service.advice,
        several=[] if one_at_a_time else scaling.measured(found, name),
        invalid=any(row.users > most for row in tried if not row.valid),
    )


def _load(part: Part, row: Summary) -> Load:
    assert row.rps
    info = part.run.services[row.service]["info"]
    workers, slots = info["workers"], info["slots"]
    points = part.points(row)
    asked = row.capacity_rps.median if row.capacity_rps else _arrived_rps(row, points)
    asked = asked or row.users / row.delay_s
    answers = row.rps.median >= (KEEPS_UP if row.users else KEEPS_UP_OPEN) * min(
        asked, slots / row.delay_s
    )
    flights = [p.in_flight for p in points if p.in_flight]
    in_flight = median(flights) if flights else row.rps.median * row.delay_s
    return Load(
        delay_s=row.delay_s,
        rps=row.rps.median / workers,
        waiting=max(1, min(row.users or round(in_flight), slots) // workers),
        cpu_ms=figure.of(row.cpu_ms_per_request, max) if row.cpu_ms_per_request else None,
        p99_ms=figure.of(row.p99_ms, max) if row.p99_ms else None,
        full=not answers and not row.bound,
        own_s=max(0.0, min(in_flight, slots) / row.rps.median - row.delay_s),
    )


def _arrived_rps(row: Summary, points: list[Point]) -> float | None:
    """The rate at which requests came: in few seconds random arrivals are far from the one set."""
    arrived = [p.due / p.duration_s for p in points if p.due and not row.users]
    return median(arrived) if arrived else row.rate_rps


def _capacity(found: Sources, name: str) -> Figure | None:
    """The capacity of a process; None where something else than the service was its limit."""
    for part in found.parts("capacity"):
        for row in part.run.summary:
            if row.service == name and row.valid and row.capacity_rps and row.capacity_rps.min > 0:
                workers = part.run.services[name]["info"]["workers"]
                found_rps = figure.of(row.capacity_rps, min)
                each = Figure(found_rps.median / workers, found_rps.worst / workers)
                return None if row.bound else each
    return None
