"""One run of the benchmark: rounds of services, each measured at every step of the profile."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtests import record
from loadtests.bench import cores, instruments, machine, perfect, suite
from loadtests.bench.laps import Laps
from loadtests.bench.measure import measure
from loadtests.bench.plan import Part
from loadtests.bench.progress import Progress
from loadtests.bench.rules import VERSION
from loadtests.catalog import Service
from loadtests.load import burn
from loadtests.record import Point, Run, folders
from loadtests.workloads.kind import Bursts


def run(name: str, parts: list[Part], results: Path, fresh: bool = False) -> int:
    """Measure, and leave `results/<UTC time>-<machine>-<name>/`; returns the exit status.

    Of several parts each is kept as soon as it is done: a run that was interrupted goes on
    with the others, unless a `fresh` one is asked for.

    0: every point is valid. 1: one failed or is invalid. 130: interrupted; the
    points that were finished are kept and reported.
    """
    result, laps, progress = new_run(name, parts), Laps(), Progress(parts)
    folder: Path | None = None
    interrupted, kept = False, 0
    try:
        if len(parts) > 1 and not fresh:
            result, folder, parts = suite.go_on(result, parts, results)
            laps, progress = Laps(result.spent), Progress(parts)
        kept = len(result.points)
        for part in parts:
            for turn in turns(part, result, laps, progress):
                try:
                    for point in turn:
                        result.add(point)
                        progress.show(point)
                finally:  # and not after every point, while the next one is measured
                    if result.points:
                        folder = folder or _folder(results, result)
                        result.spent = laps.spent()
                        record.save(result, folder / "run.json", check=False)
            if folder:  # a part is kept from here on
                record.save(result, folder / "run.json", check=False)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        progress.end()
    if folder is None:
        print("interrupted before the first point: nothing to report")
        return 130
    if not interrupted:
        result.finished_at = folders.now()
    laps.lap("stopping_s")
    record.save(result, folder / "run.json", check=False)
    from loadtests.report import build, index  # only now: to load what draws takes seconds

    told = build.tell(result)
    laps.lap("reporting_s")
    result.spent = laps.spent()
    record.save(result, folder / "run.json")
    build.write(folder, result, told, among=results)
    index.write(results)
    progress.result()
    print(f"report: {folder / 'report.html'}")
    if interrupted:
        done = len(result.points) - kept
        print(f"interrupted: {done} of {progress.total} points are in the report")
        if len(result.workloads) > 1:
            print("the same command goes on with the profiles that are not complete")
        return 130
    return 0 if all(point.valid for point in result.points) else 1


def turns(part: Part, result: Run, laps: Laps, progress: Progress) -> Iterator[Iterator[Point]]:
    """The points of every turn of a part; the services in another order each round.

    Before the first one of a run the instruments are measured, and before the first one of a
    part what it comes to without any service.
    """
    for service, reason in part.left_out.items():
        print(f"{part.profile.name}: without {service.version}: {reason}", flush=True)
    if not part.services:
        return
    with part.runtime:
        laps.lap("installing_s")
        if not result.points and result.instruments is None:
            result.instruments = instruments.measure(part.runtime)
            laps.lap("instruments_s")
        part = _with_cycles(part, result)
        suite.begin(part, result)
        profile = part.profile
        of_loop = profile.settings.perfect_loop(result.seed, profile.rounds, profile.window_s)
        if of_loop:
            result.workloads[profile.name]["perfect_loop"] = of_loop
        if profile.of_kind.straight:
            found = perfect.measure(part, f"{result.seed} 1", result.instruments)
            if found:
                result.workloads[profile.name]["perfect"] = found
            laps.lap("perfect_service_s")
        for service, round_number in _order(part.services, part.profile.rounds, result.seed):
            progress.begin(part, service)
            yield measure(service, round_number, part, result, laps)
    suite.end(part, result)


def _with_cycles(part: Part, result: Run) -> Part:
    """The part with as many cycles as its burst takes here, the same for all services.

    They are measured on the service's core; only where that could not be done, what counts is
    this process's speed.
    """
    profile, settings = part.profile, part.profile.settings
    if not isinstance(settings, Bursts) or settings.cycles:
        return part
    measured = (result.instruments or {}).get("burn_cycles_per_ms")
    cycles = burn.cycles(settings.burst_ms, measured or burn.cycles_per_ms())
    print(f"{profile.name}: {cycles:,} cycles are {settings.burst_ms:g} ms here", flush=True)
    return replace(part, profile=replace(profile, settings=replace(settings, cycles=cycles)))


def new_run(name: str, parts: list[Part]) -> Run:
    """A run in which nothing is measured yet; says why its machine is not fit for it."""
    first = parts[0].runtime
    chosen = sorted({*first.service_cpus, *first.load_cpus}) if first.here else ()
    about = machine.describe(chosen)
    for text in cores.warnings(about):
        print(f"WARNING: {text}", flush=True)
    services = {s.label: s for part in parts for s in [*part.services, *part.left_out]}
    return Run(
        profile=name,
        runtime=first.name,
        runtime_because=first.because,
        pinned=first.pinned,
        started_at=folders.now(),
        commit=machine.commit(),
        seed=random.SystemRandom().randrange(10_000),
        rules=VERSION,
        workloads={part.profile.name: part.description() for part in parts},
        machine=about,
        machines=first.machines,
        services={name: _description(s) for name, s in services.items()},
    )


def _description(service: Service) -> dict[str, Any]:
    """A service's description for the record; a limit that CONCURRENCY has replaced is none."""
    limit = "" if os.environ.get("CONCURRENCY") else service.limit
    return {**service.description(), "limit": limit, "info": None}


def _folder(results: Path, result: Run) -> Path:
    return folders.new(results, result.started_at, result.machine["name"], result.profile)


def _order(services: list[Service], rounds: int, seed: int) -> Iterator[tuple[Service, int]]:
    """Every service once a round, each round in an order of its own."""
    shuffle = random.Random(seed).sample
    for round_number in range(1, rounds + 1):
        for service in shuffle(services, len(services)):
            yield service, round_number
