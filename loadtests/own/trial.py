"""The measurement of a service behind a URL: window after window, each with more users."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil
from typing import Any

import psutil

from loadtests.bench import cores, limits, rules, surroundings
from loadtests.bench.generating import CONNECTION_S, SLACK_S, generating
from loadtests.bench.measure import fill
from loadtests.own.asked import Asked
from loadtests.record import Point
from loadtests.runtime import ServiceFailed
from loadtests.runtime.generator import start_generator
from loadtests.runtime.process import raise_descriptor_limit
from loadtests.runtime.tree import ProcessTree
from loadtests.workloads.delay import Delayed
from loadtests.workloads.kind import Kind

WARMUP_S = 0.5
SPARE_DESCRIPTORS = 300


@dataclass(frozen=True)
class Trial:
    """A request to a host, and how it is measured: for `window_s` with each number of `users`.

    `delay_s` is how long the upstream takes to answer, None where nobody said. An answer that
    takes longer than `timeout_s` is a failure.
    """

    url: str
    asked: Asked
    users: tuple[int, ...]
    delay_s: float | None
    window_s: float
    timeout_s: float

    @property
    def kind(self) -> Kind:
        """The rules for its points: whether a ceiling follows from the delay."""
        return Kind(settings=Delayed, waits=1 if self.delay_s else 0, steady=True)

    def at_most_s(self) -> float:
        """How long it takes at most, but for an upstream that does not answer."""
        return 10 + sum(self.window_s + WARMUP_S + 0.002 * users + 6 for users in self.users)


@dataclass(frozen=True)
class Measured:
    """A window: the point, and the CPU of the service in cores; None where that is not known.

    `busiest` is the share of a core of its busiest process, which stood in the queue for one
    for the share `queued` of the window.
    """

    point: Point
    cores: float | None = None
    busiest: float | None = None
    queued: float = 0.0

    @property
    def late(self) -> bool:
        """Whether the generator read answers so late that users sent fewer requests for it."""
        late_ms = self.point.overslept_p99_ms or 0.0
        return late_ms > max(rules.MAX_LAG_MS, surroundings.MAX_LATE * (self.point.p50_ms or 0.0))


def window_of(seconds: float, delay_s: float | None) -> float:
    """A window of about so many seconds: a whole number of delays, so that none is cut."""
    return ceil(seconds / delay_s - 1e-9) * delay_s if delay_s else seconds


def measure(
    trial: Trial, tree: ProcessTree | None, ready: Callable[[dict[str, Any]], None]
) -> Iterator[Measured]:
    """The windows; `ready` is told of the first answer before them.

    ServiceFailed where the request is not answered as it should be, or the generator fails.
    """
    raise_descriptor_limit(max(trial.users) + SPARE_DESCRIPTORS)
    pair = cores.split()
    steps = [{"scenario": f"{n}-users", "users": n} for n in trial.users]
    plan = {
        "host": trial.url,
        "backend": None,
        "cpus": sorted(pair[1]) if pair else [],
        "asked": trial.asked.plan(),
        "info": {},
        "profile": {
            "kind": "url",
            "delay_s": trial.delay_s or 0.0,
            "warmup_s": WARMUP_S,
            "window_s": trial.window_s,
            "timeout_s": trial.timeout_s,
        },
        "steps": steps,
    }
    limit_s = SLACK_S + trial.at_most_s() + CONNECTION_S * max(trial.users)
    with generating(start_generator, json.dumps(plan), limit_s) as generator:
        assert generator.stdout is not None
        assert generator.stderr is not None
        before: dict[int, tuple[float, float]] = {}
        used: dict[str, Any] = {}
        left = list(trial.users)
        for line in generator.stdout:
            event = json.loads(line)
            match event["event"]:
                case "ready":
                    ready(event["info"])
                case "broken" | "failed":
                    raise ServiceFailed(event["reason"])
                case "open" if tree:
                    before = tree.each()
                case "over" if tree:
                    used = _used(tree, before)
                case "close":
                    yield _measured(trial, left.pop(0), event, dict(used))
        if generator.wait():
            said = generator.stderr.read().strip()[-2000:]
            raise ServiceFailed(f"the generator ended with {generator.returncode}", said)


def _used(tree: ProcessTree, before: dict[int, tuple[float, float]]) -> dict[str, Any]:
    """CPU since `before`, that of the busiest process and its wait for a core; memory now."""
    nothing = (0.0, 0.0)
    spent = {
        pid: (cpu_s - before.get(pid, nothing)[0], queued_s - before.get(pid, nothing)[1])
        for pid, (cpu_s, queued_s) in tree.each().items()
    }
    busiest_s, queued_s = max(spent.values(), key=sum, default=nothing)
    try:
        pss_bytes = tree.footprint(switches=False).pss_bytes
    except (OSError, psutil.Error):  # another user's
        pss_bytes = None
    return {
        "cpu_s": sum(cpu_s for cpu_s, _ in spent.values()),
        "busiest_s": busiest_s,
        "queued_s": queued_s,
        "pss_bytes": pss_bytes,
    }


def _measured(trial: Trial, users: int, window: dict[str, Any], used: dict[str, Any]) -> Measured:
    duration_s = window["duration_s"]
    point = Point(
        profile="try",
        service="own",
        scenario=f"{users}-users",
        round=1,
        users=users,
        rate_rps=None,
        delay_s=trial.delay_s or 0.0,
        duration_s=duration_s,
    )
    cpu_s, busiest_s, queued_s = (
        used.pop(f"{name}_s", None) for name in ("cpu", "busiest", "queued")
    )
    fill(point, window, {"cpu_s": -1.0 if cpu_s is None else cpu_s} | used)
    if trial.delay_s:
        point.binding, point.ceiling_rps = "users", round(users / trial.delay_s, 3)
        point.efficiency = round(point.rps / point.ceiling_rps, 4)
    point.bound = limits.bound(point, trial.kind, {})
    point.starved = limits.starved(point, trial.kind)
    found = [rule(point, trial.kind) for rule in (rules.too_efficient, rules.littles_law)]
    point.invalid_because = [*(point.problems or []), *filter(None, found)]
    if cpu_s is None:
        return Measured(point)
    return Measured(point, *(spent_s / duration_s for spent_s in (cpu_s, busiest_s, queued_s)))
