"""One run of the benchmark: rounds of services, each measured at every number of users."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from threading import Timer
from typing import Any

from loadtests import machine, process, record
from loadtests.catalog import Service
from loadtests.profiles import Profile
from loadtests.progress import Progress
from loadtests.record import Point, Run
from loadtests.runtime import Running, Runtime, ServiceFailed, Usage
from loadtests.verdict import judge, set_ceiling

# What a generator may need beyond its windows: to start, and to spawn users.
GENERATOR_SLACK_S = 60.0


def run(profile: Profile, services: list[Service], runtime: Runtime, results: Path) -> int:
    """Measure, and leave `results/<UTC time>-<machine>-<profile>/`; returns the exit status.

    0: every point is valid. 1: one failed or is invalid. 130: interrupted; the
    points that were finished are kept and reported.
    """
    process.end_as_on_ctrl_c()
    seed = random.SystemRandom().randrange(10_000)
    result = Run(
        profile=profile.name,
        runtime=runtime.name,
        runtime_because=runtime.because,
        pinned=runtime.pinned,
        started_at=_now(),
        commit=machine.commit(),
        seed=seed,
        workload={key: value for key, value in asdict(profile).items() if key != "name"},
        machine=machine.describe(),
        services={service.name: {**service.description(), "info": None} for service in services},
    )
    folder: Path | None = None
    progress = Progress(total=profile.rounds * len(services) * len(profile.users))
    interrupted = False
    try:
        with runtime:
            for service, round_number in _turns(services, profile.rounds, seed):
                for point in measure(service, round_number, profile, runtime, result):
                    result.add(point)
                    folder = folder or _new_folder(results, result)
                    record.save(result, folder / "run.json")
                    progress.show(point)
    except KeyboardInterrupt:
        interrupted = True
    if folder is None:
        print("interrupted before the first point: nothing to report")
        return 130
    if not interrupted:
        result.finished_at = _now()
    record.save(result, folder / "run.json")
    from loadtests import report  # only now: what draws the charts takes seconds to load

    report.write(folder)
    print(f"report: {folder / 'report.html'}")
    if interrupted:
        print(f"interrupted: {len(result.points)} of {progress.total} points are in the report")
        return 130
    return 0 if all(point.valid for point in result.points) else 1


def measure(
    service: Service, round_number: int, profile: Profile, runtime: Runtime, result: Run
) -> Iterator[Point]:
    """One service's turn: a point for each number of users, failed ones included."""
    left = list(profile.users)

    def point(users: int, duration_s: float = 0.0) -> Point:
        return Point(
            service=service.name,
            scenario=profile.scenario(users),
            round=round_number,
            users=users,
            rate_rps=None,
            delay_s=profile.delay_s,
            duration_s=duration_s,
        )

    try:
        with runtime.service(service) as running:
            for window, used, rss_bytes in windows(running, profile, runtime, result, service.name):
                measured = point(window["users"], window["duration_s"])
                fill(measured, window, used, rss_bytes, result.services[service.name]["info"])
                left.remove(measured.users)
                yield measured
    except ServiceFailed as error:
        if not left:  # measured in full, but something of it is still there
            last = result.points[-1]
            last.valid = False
            last.invalid_because.append(str(error))
            result.summary = record.summarise(result.points)
            print(f"    INVALID: {error}", flush=True)
        for users in left:
            failed = point(users)
            failed.valid = False
            failed.invalid_because = [str(error)]
            failed.log_tail = error.log_tail
            yield failed


def windows(
    running: Running, profile: Profile, runtime: Runtime, result: Run, name: str
) -> Iterator[tuple[dict[str, Any], float, int]]:
    """The generator's windows, with the CPU seconds and the memory of the service in each.

    Raises ServiceFailed when the service, or the generator, does not get through.
    """
    plan = {
        "host": running.url,
        "backend": runtime.backend_url,
        "users": profile.users,
        "delay_s": profile.delay_s,
        "warmup_s": profile.warmup_s,
        "window_s": profile.window_s,
        "cpus": runtime.load_cpus,
    }
    limit_s = GENERATOR_SLACK_S + profile.seconds(1) / profile.rounds
    with _generator(runtime, json.dumps(plan), limit_s) as generator:
        assert generator.stdout is not None
        assert generator.stderr is not None
        before = Usage(0.0, 0)
        for line in generator.stdout:
            event = json.loads(line)
            if event["event"] == "ready":
                if event["info"]["service"] != name:
                    raise ServiceFailed(f"{name}: /info is that of {event['info']['service']!r}")
                result.services[name]["info"] = event["info"]
            elif event["event"] == "broken":
                raise ServiceFailed(f"{name}: {event['reason']}", running.log_tail())
            elif event["event"] == "open":
                before = running.usage()
            elif event["event"] == "close":
                after = running.usage()
                yield event, after.cpu_s - before.cpu_s, max(before.rss_bytes, after.rss_bytes)
        if generator.wait():
            said = generator.stderr.read().strip()[-2000:]
            raise ServiceFailed(f"the generator ended with {generator.returncode}", said)


def fill(
    point: Point, window: dict[str, Any], cpu_s: float, rss_bytes: int, info: dict[str, Any]
) -> None:
    """Turn a window of the generator into a judged point."""
    for name in ("requests", "failures", "failure_kinds", "unfinished", "backend_calls"):
        setattr(point, name, window[name])
    for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms", "generator_cpu"):
        setattr(point, name, window[name])
    point.rps = round((point.requests - point.failures) / point.duration_s, 2)
    point.rss_bytes = rss_bytes
    if point.requests:
        point.cpu_ms_per_request = round(1000 * cpu_s / point.requests, 4)
    set_ceiling(point, info)
    judge(point)


@contextmanager
def _generator(runtime: Runtime, plan: str, limit_s: float) -> Iterator[subprocess.Popen[str]]:
    """Start the generator; see to it that it ends, after `limit_s` at the latest."""
    generator = runtime.generator(plan)
    watchdog = Timer(limit_s, generator.kill)
    watchdog.start()
    try:
        yield generator
    finally:
        watchdog.cancel()
        generator.kill()
        generator.communicate()


def _turns(services: list[Service], rounds: int, seed: int) -> Iterator[tuple[Service, int]]:
    """Every service once a round, each round in an order of its own."""
    shuffle = random.Random(seed).sample
    for round_number in range(1, rounds + 1):
        for service in shuffle(services, len(services)):
            yield service, round_number


def _new_folder(results: Path, result: Run) -> Path:
    """Make the folder of this run, and of no other that started in the same second."""
    stamp = result.started_at.replace(":", "")
    name = f"{stamp}-{result.machine['name']}-{result.profile}"
    for suffix in chain([""], (f"-{number}" for number in count(2))):
        with suppress(FileExistsError):
            (results / (name + suffix)).mkdir(parents=True)
            return results / (name + suffix)
    raise AssertionError("numbers do not end")


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
