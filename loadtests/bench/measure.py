"""One service's turn: start it, let the generator load it, make its windows points."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import Timer
from typing import Any

from loadtests import record
from loadtests.bench.kinds import Kind, Step
from loadtests.bench.laps import Laps
from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile
from loadtests.bench.verdict import judge, set_ceiling
from loadtests.catalog import Service
from loadtests.record import Point, Run
from loadtests.runtime import Running, Runtime, ServiceFailed, Usage
from loadtests.runtime.footprint import Footprint

# What a generator may need beyond its windows: to start, and for each connection.
GENERATOR_SLACK_S = 60.0
CONNECTION_S = 0.02
# What a window of the generator and a point call the same; a window has what its kind measures.
FIGURES = (
    *("requests", "failures", "failure_kinds", "unfinished", "in_flight", "served"),
    *("connections", "slowest_first_ms"),
    *("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "mean_ms", "histogram"),
    *("heavy_requests", "heavy_p50_ms", "backend_calls", "backend_cpu", "generator_cpu"),
    *("dropped", "lag_p99_ms", "sent_p50_ms", "sent_p99_ms", "sent_histogram"),
    *("capacity_rps", "failed_at_rps", "probes"),
)


def measure(
    service: Service, round_number: int, part: Part, result: Run, laps: Laps
) -> Iterator[Point]:
    """One service's turn: a point for each step of the profile, failed ones included."""
    for steps in part.profile.starts(service.model):
        yield from _measure(steps, service, round_number, part, result, laps)


def _measure(
    left: list[Step], service: Service, round_number: int, part: Part, result: Run, laps: Laps
) -> Iterator[Point]:
    """The steps between one start of the service and its end."""
    profile, kind = part.profile, part.profile.of_kind

    def point(step: Step, duration_s: float = 0.0) -> Point:
        return Point(
            profile=profile.name,
            service=service.label,
            scenario=step.scenario,
            round=round_number,
            users=step.users,
            idle_connections=step.idle_connections,
            rate_rps=step.rate_rps,
            delay_s=profile.delay_s if step.delay_s is None else step.delay_s,
            duration_s=duration_s,
        )

    try:
        with part.runtime.service(service, workers=left[0].workers) as running:
            laps.lap("starting_s")
            looks = windows(running, profile, list(left), part.runtime, service, laps)
            for info, window, used in looks:
                about = result.services[service.label]
                about["info"] = about["info"] or info
                step = left.pop(0)
                measured = point(step, window["duration_s"])
                if "reason" in window:
                    fail(measured, window["reason"], running.log_tail())
                else:
                    fill(measured, window, used)
                    if "keep-alive" in service.exceptions:  # between two requests a user has none
                        measured.connections = None
                    set_ceiling(measured, info, kind, step)
                    judge(measured, kind, window["problems"], result.instruments)
                yield measured
        laps.lap("stopping_s")
    except ServiceFailed as error:
        laps.lap("stopping_s")
        if not left:  # measured in full, but something of it is still there
            last = result.points[-1]
            last.valid = False
            last.invalid_because.append(str(error))
            result.summary = record.summarise(result.points)
            print(f"    INVALID: {error}", flush=True)
        for step in left:
            failed = point(step)
            fail(failed, str(error), error.log_tail)
            yield failed


def fail(point: Point, reason: str, log_tail: str) -> None:
    """Make it a point of which nothing could be measured."""
    point.valid, point.invalid_because, point.log_tail = False, [reason], log_tail


def fill(point: Point, window: dict[str, Any], used: dict[str, Any]) -> None:
    """Take over the figures of a window of the generator, and what the service used in it."""
    for name in FIGURES:
        if name in window:
            setattr(point, name, window[name])
    cpu_s = used.pop("cpu_s")
    for name, value in used.items():
        setattr(point, name, value)
    point.rps = round((point.requests - point.failures) / point.duration_s, 2)
    if point.requests:
        point.cpu_ms_per_request = round(1000 * cpu_s / point.requests, 4)


def windows(
    running: Running,
    profile: Profile,
    steps: list[Step],
    runtime: Runtime,
    service: Service,
    laps: Laps,
) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """What `/info` said; the generator's windows, and what the service used in each.

    A window in which nothing could be measured has a `reason`. Raises
    ServiceFailed when the service, or the generator, does not get through.
    """
    kind = profile.of_kind
    plan = {
        "host": running.url,
        "backend": runtime.backend_url,
        "cpus": runtime.load_cpus,
        "profile": asdict(profile),
        "steps": [asdict(step) for step in steps],
    }
    connections = sum(step.idle_connections for step in steps)
    limit_s = GENERATOR_SLACK_S + profile.turn_s(service.model) + CONNECTION_S * connections
    with generating(runtime, json.dumps(plan), limit_s) as generator:
        assert generator.stdout is not None
        assert generator.stderr is not None
        info: dict[str, Any] = {}
        before = after = Usage(0.0, 0)
        held = still = Footprint()
        for line in generator.stdout:
            event = json.loads(line)
            match event["event"]:
                case "ready":
                    info = event["info"]
                    if info["service"] != service.name:
                        raise ServiceFailed(f"{service.name}: /info is that of {info['service']!r}")
                case "broken":
                    raise ServiceFailed(f"{service.name}: {event['reason']}", running.log_tail())
                case "failed":
                    running.usage()  # it may be gone, and that is why
                    yield info, event, {}
                case "open":
                    if kind.at_rest or kind.switches:
                        held = running.footprint(kind.switches)
                    # Only now, and at the end before that: to read the other takes CPU of the
                    # service's where it runs in a container.
                    before = running.usage()
                    laps.lap("warming_up_s")
                case "over":
                    after = running.usage()
                    still = running.footprint(kind.switches)
                    laps.lap("measuring_s")
                case "close":
                    yield info, event, used(kind, before, held, after, still)
        if generator.wait():
            said = generator.stderr.read().strip()[-2000:]
            raise ServiceFailed(f"the generator ended with {generator.returncode}", said)


def used(
    kind: Kind, before: Usage, held: Footprint, after: Usage, still: Footprint
) -> dict[str, Any]:
    """`cpu_s` and the figures of a point, from a look at each end of a window."""
    figures = asdict(held if kind.at_rest else still)
    for name in ("voluntary_switches", "involuntary_switches"):
        first, last = getattr(held, name), getattr(still, name)
        # Threads that end take theirs with them.
        figures[name] = None if first is None or last is None else max(0, last - first)
    rss_bytes = before.rss_bytes if kind.at_rest else max(before.rss_bytes, after.rss_bytes)
    return {"cpu_s": after.cpu_s - before.cpu_s, "rss_bytes": rss_bytes, **figures}


@contextmanager
def generating(runtime: Runtime, plan: str, limit_s: float) -> Iterator[subprocess.Popen[str]]:
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
