"""One run of the benchmark: rounds of services, each measured at every step of the profile."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from loadtests import record
from loadtests.bench import instruments, machine
from loadtests.bench.laps import Laps
from loadtests.bench.measure import measure
from loadtests.bench.plan import Part
from loadtests.bench.progress import Progress
from loadtests.catalog import Service
from loadtests.load import burn
from loadtests.record import Point, Run, folders
from loadtests.runtime import process


def run(name: str, parts: list[Part], results: Path) -> int:
    """Measure, and leave `results/<UTC time>-<machine>-<name>/`; returns the exit status.

    0: every point is valid. 1: one failed or is invalid. 130: interrupted; the
    points that were finished are kept and reported.
    """
    process.end_as_on_ctrl_c()
    laps = Laps()
    result = _new_run(name, parts)
    progress = Progress(parts)
    folder: Path | None = None
    interrupted = False
    try:
        for turn in _turns(parts, result, laps):
            try:
                for point in turn:
                    result.add(point)
                    progress.show(point)
            finally:  # and not after every point, while the next one is measured
                if result.points:
                    folder = folder or _folder(results, result)
                    result.spent = laps.spent()
                    record.save(result, folder / "run.json", check=False)
    except KeyboardInterrupt:
        interrupted = True
    if folder is None:
        print("interrupted before the first point: nothing to report")
        return 130
    if not interrupted:
        result.finished_at = folders.now()
    laps.lap("stopping_s")
    record.save(result, folder / "run.json", check=False)
    from loadtests.report import build  # only now: what draws the charts takes seconds to load

    told = build.tell(result)
    laps.lap("reporting_s")
    result.spent = laps.spent()
    record.save(result, folder / "run.json")
    build.write(folder, result, told, among=results)
    print(f"report: {folder / 'report.html'}")
    if interrupted:
        print(f"interrupted: {len(result.points)} of {progress.total} points are in the report")
        return 130
    return 0 if all(point.valid for point in result.points) else 1


def _turns(parts: list[Part], result: Run, laps: Laps) -> Iterator[Iterator[Point]]:
    """The points of every turn, part by part; the services in another order each round.

    Before the first one the instruments are measured.
    """
    first = True
    for part in parts:
        for service, reason in part.left_out.items():
            print(f"{part.profile.name}: without {service.name}: {reason}", flush=True)
        if not part.services:
            continue
        with part.runtime:
            laps.lap("installing_s")
            if first:
                first = False
                result.instruments = instruments.measure(part.runtime)
                laps.lap("instruments_s")
            part = _with_cycles(part, result)
            for service, round_number in _order(part.services, part.profile.rounds, result.seed):
                yield measure(service, round_number, part, result, laps)


def _with_cycles(part: Part, result: Run) -> Part:
    """The part with as many cycles as its burst takes here, the same for all services.

    They go into the record, too. The services' interpreter is the generator's; only
    where that could not measure itself, what counts is this one's speed.
    """
    profile = part.profile
    if not profile.burst_ms or profile.cycles:
        return part
    measured = (result.instruments or {}).get("burn_cycles_per_ms")
    cycles = burn.cycles(profile.burst_ms, measured or burn.cycles_per_ms())
    part = replace(part, profile=replace(profile, cycles=cycles))
    result.workloads[profile.name] = part.description()
    print(f"{profile.name}: {cycles:,} cycles are {profile.burst_ms:g} ms here", flush=True)
    return part


def _new_run(name: str, parts: list[Part]) -> Run:
    first = parts[0].runtime
    services = {s.label: s for part in parts for s in [*part.services, *part.left_out]}
    return Run(
        profile=name,
        runtime=first.name,
        runtime_because=first.because,
        pinned=first.pinned,
        started_at=folders.now(),
        commit=machine.commit(),
        seed=random.SystemRandom().randrange(10_000),
        workloads={part.profile.name: part.description() for part in parts},
        machine=machine.describe(),
        services={name: _description(s) for name, s in services.items()},
    )


def _description(service: Service) -> dict[str, Any]:
    """What it is, for the record; a limit that CONCURRENCY has replaced is none."""
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
