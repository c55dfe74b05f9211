"""Made-up runs of the workloads that are more than users and a delay."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import runs

from loadtests.record import Point, Run, summarise

CANNOT = "it does not offer /chat"
# CPU-ms a request, and whether one thread does everything.
SERVICES = {
    "flask-gevent": (0.28, True),
    "flask-ioloop": (0.5, False),
    "flask-threads": (0.24, False),
    "sanic": (0.15, True),
    "scratch-epoll": (0.1, True),
    "scratch-select": (0.1, True),
    "tornado": (0.25, True),
}


def base(profile: str, name: str, rng: random.Random, turn: int, **values: Any) -> Point:
    """A valid point with what all kinds have."""
    given: dict[str, Any] = {
        "profile": profile,
        "service": name,
        "round": turn,
        "users": 50,
        "rate_rps": None,
        "delay_s": 0.1,
        "duration_s": 10.0,
        "requests": 2000,
        "rps": 200.0,
        "cpu_ms_per_request": SERVICES[name][0] * rng.uniform(0.9, 1.1),
        "pss_bytes": round(50 * 2**20 * rng.uniform(0.99, 1.01)),
        "generator_cpu": 0.3,
        "backend_cpu": 0.1,
    }
    made = Point(**(given | values))
    if made.mean_ms is not None and profile != "chat":  # which has no requests in flight
        made.in_flight, made.connections = made.rps * made.mean_ms / 1000, made.users
    return made


def times(p50: float, p99: float) -> dict[str, Any]:
    return runs.times(p50, p50 + 0.8 * (p99 - p50), p99, p99 * 1.2)


def composite(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    ceiling, slow = 50 / 0.3, 310 + 700 * SERVICES[name][0] * rng.uniform(0.9, 1.1)
    rps = 50 / slow * 1000
    yield base(
        "composite", name, rng, turn, scenario="composite-50-users-100ms", ceiling_rps=ceiling,
        binding="users", efficiency=rps / ceiling, rps=rps, backend_calls=24_000,
        **times(slow, slow * 1.4),
    )  # fmt: skip


def interference(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    for ending in ("alone", "together"):
        heavy = ending == "together"
        p50 = 11 + 2 * rng.random() + 3 * heavy
        p99 = 14 + 3 * rng.random() + heavy * (50 if SERVICES[name][1] else 12) * rng.uniform(1, 2)
        yield base(
            "interference", name, rng, turn, scenario=f"interference-50rps-25-users-{ending}",
            users=25, rate_rps=50.0, delay_s=0.01, heavy_requests=40 if heavy else 0,
            heavy_p50_ms=51.0 + rng.random() if heavy else None, **times(p50, p99),
        )  # fmt: skip


def chat(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    cost = SERVICES[name][0]
    for crowd in (0, 100, 1000, 5000):
        p99 = 3 + crowd * cost * 0.1 * rng.uniform(0.9, 1.1)
        yield base(
            "chat", name, rng, turn, scenario=f"chat-{crowd}-connections", delay_s=0.0,
            users=min(1, crowd), idle_connections=crowd, requests=20_000 if crowd else 0,
            rps=2000.0 if crowd else 0.0, cpu_ms_per_request=cost / 10 if crowd else None,
            pss_bytes=round(50 * 2**20 + crowd * (4 + 80 * cost) * 1024 * rng.uniform(0.98, 1.02)),
            **(times(p99 / 2, p99) if crowd else {}),
        )  # fmt: skip


def pollers(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    for crowd in (100, 500, 900, 4000):
        growing = name == "scratch-select"
        cpu = 0.2 * rng.uniform(0.95, 1.05) + growing * crowd * 0.0004
        full = growing and crowd > 1000
        values: dict[str, Any] = {"requests": 0, "rps": 0.0}
        values |= {"cpu_ms_per_request": None, "pss_bytes": None}
        values |= {"valid": False, "invalid_because": ["only 1000 of 4000 idle connections"]}
        yield base(
            "pollers", name, rng, turn, users=20, rate_rps=200.0, delay_s=0.01,
            scenario=f"pollers-200rps-20-users-{crowd}-idle", idle_connections=crowd,
            **(values if full else {"cpu_ms_per_request": cpu} | times(10.4, 12.0)),
        )  # fmt: skip


def file(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    rps = 500 / SERVICES[name][0] ** 0.5 * rng.uniform(0.95, 1.05)
    yield base(
        "file", name, rng, turn, scenario="file-50-users-1024kib", delay_s=0.0, rps=rps,
        requests=round(10 * rps), **times(50_000 / rps, 90_000 / rps),
    )  # fmt: skip


Maker = Callable[[str, random.Random, int], Iterator[Point]]
MAKERS: dict[str, Maker] = {
    "composite": composite,
    "interference": interference,
    "chat": chat,
    "pollers": pollers,
    "file": file,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "composite": {"users": [50], "delay_s": 0.1},
    "interference": {"rate_rps": 50.0},
    "chat": {"connections": [0, 100, 1000, 5000]},
    "pollers": {"connections": [100, 500, 900, 4000]},
    "file": {"size": 2**20},
}


def run(
    *kinds: str,
    rounds: int = 3,
    services: tuple[str, ...] = (),
    makers: Mapping[str, Maker] = MAKERS,
    settings: Mapping[str, dict[str, Any]] = SETTINGS,
    **other: Any,
) -> Run:
    """A finished run of a profile of each of the kinds, all of them without any."""
    rng = random.Random(11)
    chosen = kinds or tuple(makers)
    profile = chosen[0] if len(chosen) == 1 else "everything"
    made = runs.empty(profile, **other)
    made.workloads = {
        kind: {"kind": kind, "title": f"The {kind} workload.", "rounds": rounds} | settings[kind]
        for kind in chosen
    }
    names = services or tuple(SERVICES)
    made.services = {name: runs.about(name, 1000) for name in names}
    if "flask-ioloop" in made.services:
        made.services["flask-ioloop"] = runs.about("flask-ioloop", 16)
        if "chat" in chosen:
            made.workloads["chat"]["left_out"] = {"flask-ioloop": CANNOT}
    for kind in chosen:
        for turn in range(1, rounds + 1):
            for name in names:
                crowded = kind == "pollers" and not name.startswith("scratch")
                if not crowded and not (kind == "chat" and name == "flask-ioloop"):
                    made.points += makers[kind](name, rng, turn)
    made.summary = summarise(made.points)
    return made
