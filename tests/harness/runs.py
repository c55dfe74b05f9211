"""Runs as a benchmark would leave them, made up in code for the tests of the reports."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

from loadtests.bench.rules import VERSION
from loadtests.load import histogram
from loadtests.record import Point, Run, summarise

HOSTILE = '</pre></details><script>alert("log")</script> | ``` <img src=http://evil.example/x>'

DELAY = {
    "kind": "delay",
    "title": "For publishing.",
    "users": [1, 10, 50, 200, 1000],
    "delay_s": 0.1,
    "rounds": 3,
}
# CPU-ms a request and slots: what decides where a service leaves the arithmetic limit.
FIVE = {
    "flask-threads": (0.235, 1000),
    "flask-gevent": (0.281, 1000),
    "tornado": (0.243, 1000),
    "sanic": (0.147, 1000),
    "tornado-blocking": (0.46, 1),
}


def fifteen() -> dict[str, tuple[float, int]]:
    """The five and ten more, some with long names."""
    more = "aiohttp fastapi-uvicorn-httptools django-threads falcon-gevent quart starlette-granian"
    more += " bottle-cheroot litestar twisted blacksheep"
    return FIVE | {name: (0.1 + 0.04 * i, 1000) for i, name in enumerate(more.split())}


def times(p50: float, p90: float, p99: float, highest: float) -> dict[str, Any]:
    """Figures of a point's response times in ms, and a histogram of 1000 that has them."""
    p999 = p99 + 0.8 * (highest - p99)
    ends = ((0.97 * p50, 0, 1), (p50, 500, 25), (p90, 400, 20), (p99, 90, 18), (p999, 9, 9))
    made = [highest]
    for (start, _, _), (end, requests, steps) in pairwise(ends):
        for step in range(1, steps + 1):
            made += [start + (end - start) * step / steps] * (requests // steps)
    named = {"p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "p999_ms": p999, "max_ms": highest}
    return {**named, "mean_ms": sum(made) / len(made), "histogram": _histogram(tuple(made))}


@cache  # many tests make up the same run
def _histogram(times_ms: tuple[float, ...]) -> str:
    return histogram.of(times_ms)


def point(
    rng: random.Random, name: str, of: tuple[float, int], users: int, turn: int, **other: Any
) -> Point:
    """A plausible, valid point: the queue grows once a core is spent."""
    cpu, slots = of
    delay_s, duration_s = other.pop("delay_s", 0.1), other.pop("duration_s", 10.0)
    ceiling = min(users, slots) / delay_s
    rps = min(ceiling * 0.985, 1000 / cpu) * rng.uniform(0.9, 1.0)
    wait_ms = users / rps * 1000
    requests = round(rps * duration_s)
    values: dict[str, Any] = {
        "profile": "standard",
        "service": name,
        "scenario": f"{users}-users",
        "round": turn,
        "users": users,
        "rate_rps": None,
        "delay_s": delay_s,
        "duration_s": duration_s,
        "requests": requests,
        "unfinished": users,
        "rps": requests / duration_s,
        "ceiling_rps": ceiling,
        "binding": "users" if users <= slots else "slots",
        "efficiency": requests / duration_s / ceiling,
        **times(
            wait_ms * 0.99,
            wait_ms * 1.04,
            wait_ms * rng.uniform(1.1, 2.0),
            wait_ms * rng.uniform(2.1, 4.0),
        ),
        "cpu_ms_per_request": cpu * rng.uniform(0.9, 1.2),
        "pss_bytes": round((40 + users * cpu * 0.2) * 2**20 * rng.uniform(0.97, 1.03)),
        "backend_calls": requests + users,
        "generator_cpu": rng.uniform(0.1, 0.7),
        "backend_cpu": 0.2,
        "connections": users,
    }
    values["in_flight"] = values["rps"] * values["mean_ms"] / 1000
    return Point(**(values | other))


def failed(
    name: str,
    users: int,
    turn: int,
    log: str = "",
    because: str = "did not start",
    profile: str = "standard",
) -> Point:
    """A point of a service of which nothing could be measured."""
    return Point(
        profile=profile, service=name,
        scenario=f"{users}-users", round=turn, users=users, rate_rps=None,
        delay_s=0.1, duration_s=10.0, valid=False, invalid_because=[because], log_tail=log,
    )  # fmt: skip


def empty(profile: str = "standard", started_at: str = "2026-11-20T14:05:00Z", **other: Any) -> Run:
    """A finished run without services and points."""
    return Run(
        rules=VERSION,
        **{
            "profile": profile,
            "runtime": "local",
            "runtime_because": "no Docker Engine answers",
            "pinned": True,
            "started_at": started_at,
            "finished_at": "2026-11-20T14:19:31Z",
            "commit": "1f0c3a9d2b7e4455aa01bc22d3e4f5a6b7c8d9e0",
            "seed": 20261120,
            "workloads": {profile: DELAY},
            "machine": {
                "name": "amd-epyc-2c",
                "cpu": "AMD EPYC 7B13",
                "cores": 2,
                "memory_bytes": 8 * 2**30,
                "system": "Linux 6.1.0, Debian 12",
                "python": "3.13.0",
                "locust": "2.40.0",
            },
        }
        | other,
    )


# The kind of a service, by a part of its name.
KINDS = {"bare": "bare", "protocol": "bare", "scratch": "lesson", "ioloop": "lesson"}
KINDS |= {"blocking": "mistake"}


def about(name: str, slots: int, **other: Any) -> dict[str, Any]:
    """A service as a run records it."""
    framework = name.split("-")[0]
    return {
        "title": f"{framework.title()}, {name}",
        "framework": framework,
        "server": "its own",
        "client": "aiohttp",
        "model": "an event loop",
        "waits": "a coroutine",
        "kind": next((KINDS[part] for part in name.split("-") if part in KINDS), "stock"),
        "offers": ["/chat"],
        "exceptions": {},
        "limit": "",
        "info": {
            "service": name,
            "workers": 1,
            "concurrency": 1000,
            "slots": slots,
            "client_pool": slots,
            "backend_url": "http://127.0.0.1:8000",
            "backend_timeout_s": 10.0,
            "versions": {"python": "3.13.0", framework: "6.6.1"},
        },
    } | other


def made_up(
    services: dict[str, tuple[float, int]] | None = None,
    users: tuple[int, ...] = (1, 10, 50, 200, 1000),
    rounds: int = 3,
    delay_s: float = 0.1,
    **other: Any,
) -> Run:
    """A run in which everything went well."""
    rng = random.Random(7)
    chosen = FIVE if services is None else services
    run = empty(**other)
    run.services = {name: about(name, slots) for name, (_, slots) in chosen.items()}
    for turn in range(1, rounds + 1):
        for name in rng.sample(sorted(chosen), len(chosen)):
            for level in users:
                run.points.append(
                    point(
                        rng, name, chosen[name], level, turn, delay_s=delay_s, profile=run.profile
                    )
                )
    run.summary = summarise(run.points)
    return run


def twice(run: Run, name: str) -> Run:
    """The run with a service measured again under a second name, with the same figures."""
    again = f"{name}-again"
    run.services[again] = run.services[name] | {"again_of": name}
    run.points += [replace(point, service=again) for point in run.points if point.service == name]
    return summed(run)


def summed(run: Run) -> Run:
    """The run with the summary that its points give."""
    run.summary = summarise(run.points)
    return run


def troubled(**other: Any) -> Run:
    """A run with a service that never started, one invalid at 1000 users, and one bad round."""
    run = made_up(**other)
    run.services["gone"] = about("gone", 1) | {"info": None}
    places = dict.fromkeys((point.round, point.users) for point in run.points)
    for turn, users in places:
        run.points.append(failed("gone", users, turn, HOSTILE, "exit status 3 | <b>", run.profile))
    for point in run.points:
        if (point.service, point.users) == ("sanic", 1000):
            point.valid, point.invalid_because = False, ["the generator was 91 % busy"]
        if (point.service, point.users, point.round) == ("tornado", 200, 2):
            point.valid, point.invalid_because = False, ["failures 0.57 %"]
            point.failures, point.failure_kinds = 112, {"reset": 100, "timeout": 12}
    run.summary = summarise(run.points)
    return run
