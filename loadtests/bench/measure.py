"""One service's turn: start it, let the generator load it, make its windows points."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from time import perf_counter
from typing import Any

from loadtests import record
from loadtests.bench import holdings
from loadtests.bench.generating import CONNECTION_S, SLACK_S, generating, plan_of
from loadtests.bench.laps import Laps
from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile
from loadtests.bench.verdict import judge, set_ceiling
from loadtests.catalog import Service
from loadtests.record import Point, Run
from loadtests.runtime import Running, Runtime, ServiceFailed, Usage, strangers
from loadtests.runtime.footprint import Footprint, kernel_bytes
from loadtests.workloads.kind import Step

# Asked for by a step, and recorded by its point under the same name.
OF_STEP = (
    *("scenario", "users", "idle_connections", "rate_rps"),
    *("delays", "slots", "workers", "size"),
)
# The figures that a window and a point call the same; a window has those its kind measures.
FIGURES = (
    *("requests", "failures", "failure_kinds", "unfinished", "in_flight", "served"),
    *("connections", "unanswered", "slowest_first_ms", "problems"),
    *("p50_ms", "p90_ms", "p99_ms", "p999_ms", "max_ms", "mean_ms", "histogram"),
    *("heavy_requests", "heavy_p50_ms", "backend_calls", "backend_cpu", "generator_cpu"),
    *("broadcast_cpu", "backend_late_p50_ms", "backend_late_p99_ms", "overslept_p99_ms"),
    *("due", "dropped", "lag_p99_ms", "sent_p50_ms", "sent_p99_ms", "sent_histogram"),
    *("backlog", "growth_rps", "drain_s", "undrained", "recovery_s"),
    *("capacity_rps", "failed_at_rps", "search_ended", "probes", "overload"),
    *("added_p50_ms", "added_p99_ms", "added_p999_ms", "added_histogram", "fault"),
    "generator_processes",
)
MOST_APART_S = 0.2  # the length of a window, and the time between the looks at its ends


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
        made = point_of(profile, service.label, round_number, step, duration_s)
        made.backend_apart, made.shared_cores = bool(part.runtime.machines), part.shared_cores()
        return made

    try:
        with part.runtime.service(service, given=left[0].settings()) as running:
            laps.lap("starting_s")
            # The same for all services of a round, and another one in the next.
            seed = f"{result.seed} {round_number}"
            looks = windows(running, profile, list(left), part.runtime, service, laps, seed)
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
                    set_ceiling(measured, info, kind, step, part.runtime.round_trips)
                    judge(measured, kind, about, result.instruments)
                yield measured
        laps.lap("stopping_s")
    except ServiceFailed as error:
        laps.lap("stopping_s")
        if not left:  # measured in full, but something of it is still there
            last = result.points[-1]
            last.valid = False
            last.problems = [*(last.problems or []), str(error)]
            last.invalid_because.append(str(error))
            result.summary = record.summarise(result.points)
            print(f"    INVALID: {error}", flush=True)
        for step in left:
            failed = point(step)
            fail(failed, str(error), error.log_tail)
            yield failed


def point_of(
    profile: Profile, service: str, round_number: int, step: Step, duration_s: float
) -> Point:
    """A point of which nothing is known but what was asked for."""
    return Point(
        profile=profile.name,
        service=service,
        round=round_number,
        delay_s=profile.delay_s_of(step),
        **{name: getattr(step, name) for name in OF_STEP},
        arrivals=step.arrivals if profile.of_kind.arriving and not step.users else "",
        duration_s=duration_s,
    )


def fail(point: Point, reason: str, log_tail: str) -> None:
    """Make it a point of which nothing could be measured."""
    point.valid, point.invalid_because, point.log_tail = False, [reason], log_tail


def fill(point: Point, window: dict[str, Any], used: dict[str, Any]) -> None:
    """Take over the figures of a window of the generator, and what the service used in it."""
    for name in FIGURES:
        if name in window:
            setattr(point, name, window[name])
    cpu_s, between_s = used.pop("cpu_s"), used.pop("between_s", point.duration_s)
    used.pop("left", None)
    for name, value in used.items():
        setattr(point, name, value)
    point.rps = round((point.requests - point.failures) / point.duration_s, 2)
    # A process that ended takes with it what it used; and where the looks at it came late, it is
    # the CPU time of another while.
    if point.requests and cpu_s >= 0 and abs(between_s - point.duration_s) <= MOST_APART_S:
        point.cpu_ms_per_request = round(1000 * cpu_s / point.requests, 4)


def windows(
    running: Running,
    profile: Profile,
    steps: list[Step],
    runtime: Runtime,
    service: Service,
    laps: Laps,
    seed: str,
) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """The answer of `/info`; the generator's windows, and what the service used in each.

    From `seed` follows what the generator leaves to chance.

    A window in which nothing could be measured has a `reason`. Raises
    ServiceFailed when the service, or the generator, does not get through.
    """
    kind = profile.of_kind
    plan = plan_of(runtime, running.url, profile, steps, seed)
    if running.certificate:
        plan["certificate"] = running.certificate
    if service.own:
        plan |= service.own.plan(runtime.backend_url)
    connections = sum(step.idle_connections for step in steps)
    limit_s = SLACK_S + profile.turn_s(service.model) + CONNECTION_S * connections
    with mended(runtime), generating(runtime.generator, json.dumps(plan), limit_s) as generator:
        assert generator.stdout is not None
        assert generator.stderr is not None
        info: dict[str, Any] = {}
        before, opened = Usage(0.0, 0), 0.0
        held = Footprint()
        look: strangers.Look | None = None
        looks: list[dict[str, Any]] = []  # at what it holds, beside those at the ends of a window
        marks: list[float] = []  # CPU time at the ends of a part of a window
        seen: list[dict[str, Any]] = []  # of the windows of a step, of which a search has several
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
                    seen, looks = [], []
                    yield info, event, {}
                case "opening":
                    look = runtime.look()
                case "open":
                    if kind.at_rest or kind.switches or kind.faulty:
                        held = running.footprint(kind.switches)
                    if kind.at_rest and not runtime.machines:  # whose kernel is not seen
                        held = replace(held, kernel_bytes=kernel_bytes())
                    # Only now, and at the end before that: to read the other takes CPU of the
                    # service's where it runs in a container.
                    before = running.usage()
                    opened = perf_counter()
                    laps.lap("warming_up_s")
                    if kind.faulty:
                        _looked(generator)
                case "disturb":
                    runtime.disturb(event["fault"])
                case "mend":
                    runtime.mend()
                case "mark":
                    marks.append(running.usage().cpu_s)
                case "look":
                    looks.append({"when": event["when"], **holdings.look(running)})
                case "over":
                    after = running.usage()
                    between_s = perf_counter() - opened
                    still = running.footprint(kind.switches)
                    seen.append(holdings.used(kind, before, held, after, still))
                    cpus = runtime.service_cpus, runtime.load_cpus
                    seen[-1]["between_s"] = between_s
                    seen[-1] |= strangers.shares(look, runtime.look(), *cpus)
                    laps.lap("measuring_s")
                    if kind.faulty:
                        _looked(generator)
                case "close":
                    found = seen[event.get("of_window", -1)]
                    if kind.faulty and "lost" in event["fault"]:
                        about = event["fault"]
                        about["lost"] = holdings.left(about["lost"], found.pop("left"))
                    if len(marks) == 2:
                        found["burst_cpu_s"] = round(marks[1] - marks[0], 4)
                    if looks:
                        found["looks"] = looks
                    yield info, event, found
                    seen, marks, looks = [], [], []
        if generator.wait():
            said = generator.stderr.read().strip()[-2000:]
            raise ServiceFailed(f"the generator ended with {generator.returncode}", said)


def _looked(generator: subprocess.Popen[str]) -> None:
    """Let the generator go on, which waits for it."""
    assert generator.stdin is not None
    with suppress(BrokenPipeError):  # it has ended, which its last line says
        generator.stdin.write("\n")
        generator.stdin.flush()


@contextmanager
def mended(runtime: Runtime) -> Iterator[None]:
    """Leave the backend well, however a turn ends."""
    try:
        yield
    finally:
        runtime.mend()
