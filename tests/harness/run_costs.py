"""Made-up runs of requests at a rate, and of what waiting costs."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import run_kinds
from run_kinds import SERVICES, Maker, base, times

from loadtests.load import histogram
from loadtests.record import Point, Run

INVALID: dict[str, Any] = {"valid": False, "invalid_because": ["240 arrivals were dropped"]}
# Memory in KiB, and threads, of a waiting request.
HELD = {
    "flask-gevent": (45.0, 0),
    "flask-ioloop": (60.0, 0),
    "flask-threads": (112.0, 1),
    "sanic": (22.0, 0),
    "scratch-epoll": (9.0, 0),
    "scratch-select": (9.5, 0),
    "tornado": (31.0, 0),
}
WAITS = {
    "flask-gevent": "a greenlet",
    "flask-ioloop": "a process",
    "flask-threads": "a thread",
    "scratch-epoll": "a generator",
    "scratch-select": "a generator",
}


def capacity_of(name: str) -> float:
    """Requests/s at which its core is spent."""
    return 900 / SERVICES[name][0]


def arrivals(
    name: str, rng: random.Random, turn: int, rate: int, profile: str = "open", how: str = "poisson"
) -> Point:
    """Full once a core is spent; then a queue grows, and in the end arrivals are dropped."""
    load = rate / capacity_of(name)
    p50 = 101.0 + load if load < 1 else 1500 * load
    p99 = p50 + (2 + 20 * load**4) * rng.uniform(1, 1.6)
    late = rng.uniform(0.5, 1.5)
    rps = min(rate, capacity_of(name) * rng.uniform(0.95, 1.0))
    more = rate - rps
    cpu = SERVICES[name][0] * rng.uniform(0.985, 1.015) * (1.3 - 0.4 * min(1, load))
    return base(
        profile, name, rng, turn, users=0, rate_rps=float(rate), arrivals=how, due=10 * rate,
        scenario=f"{profile}-{rate}rps-100ms{'-even' * (how == 'even')}", growth_rps=more,
        backlog=round(10 * more), drain_s=round(10 * more / rps, 3), undrained=int(more > rps / 2),
        requests=round(10 * rps), rps=rps, ceiling_rps=float(rate), binding="rate",
        efficiency=rps / rate, cpu_ms_per_request=cpu, threads=1 + 200 * ("thread" in name),
        sent_p50_ms=p50 - late / 2, sent_p99_ms=p99 - late, lag_p99_ms=late,
        dropped=240 * (load > 1), voluntary_switches=round(10 * rps * rng.uniform(1.5, 1.7)),
        involuntary_switches=round(rps * rng.uniform(0.1, 0.2)),
        **times(p50, p99), **(INVALID if load > 1.3 else {}),
    )  # fmt: skip


def open_load(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    for rate in SETTINGS["open"]["rates"]:
        yield arrivals(name, rng, turn, rate)
    yield arrivals(name, rng, turn, 500, how="even")


def cost(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    for rate in SETTINGS["cost"]["rates"]:
        yield arrivals(name, rng, turn, rate, "cost")


def stall(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    """The backend freezes for a second of ten; 50 users see one slow answer each."""
    quick = [rng.uniform(100.5, 106.0) for _ in range(4450)]
    closed = [*quick, *(rng.uniform(1000, 1100) for _ in range(50))]
    arrived = [*quick, *(100 + 1000 * rng.random() for _ in range(550))]
    recovery_s = SERVICES[name][0] * rng.uniform(0.9, 1.1)
    recovered = {"recovery_s": recovery_s, "burst_cpu_s": recovery_s * 0.9}
    for workload, found in (("closed", closed), ("open", arrived)):
        rate = {"rate_rps": 500.0, "users": 0, **recovered} if workload == "open" else {}
        yield base(
            "stall", name, rng, turn, scenario=f"stall-{workload}", requests=len(found),
            rps=len(found) / 10, **histogram.measured(found), **rate,
        )  # fmt: skip


def capacity(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    most = 50 * (capacity_of(name) * rng.uniform(0.93, 1.0) // 50)
    failed_at = most * 1.05
    because = f"p99 {rng.uniform(201, 300):.0f} ms is above 200"
    probes = [
        {"rate_rps": 100.0, "sustained": True, "because": ""},
        {"rate_rps": 4 * most, "sustained": False, "because": "12 arrivals were dropped"},
        {"rate_rps": most / 2, "sustained": False, "because": "bad luck"},
        {"rate_rps": most / 2, "sustained": True, "because": ""},
        {"rate_rps": most, "sustained": True, "because": ""},
        {"rate_rps": failed_at, "sustained": False, "because": because},
    ]
    yield base(
        "capacity", name, rng, turn, scenario="capacity-100ms", users=0, rate_rps=most, rps=most,
        capacity_rps=most, failed_at_rps=failed_at, probes=probes,
        **times(108.0, rng.uniform(150, 199)),
    )  # fmt: skip


def held(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    kib, threads = HELD[name]
    for number in SETTINGS["held"]["held"]:
        pss = 40 * 2**20 + number * kib * 1024 * rng.uniform(0.98, 1.02)
        full = name == "scratch-select" and number >= 1000
        yield base(
            "held", name, rng, turn, scenario=f"held-{number}", users=number, delay_s=30.0,
            requests=0, rps=0.0, pss_bytes=round(pss),
            threads=1 + threads * number, descriptors=12 + 2 * number, cpu_ms_per_request=None,
            **({"valid": False, "invalid_because": ["only 480 are held"]} if full else {}),
        )  # fmt: skip


def over_a_map(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    for delay_s in SETTINGS["map"]["delays"]:
        for users in SETTINGS["map"]["users"]:
            limit = users / delay_s
            rps = min(limit * 0.99, 1000 / SERVICES[name][0]) * rng.uniform(0.97, 1.0)
            # Threads are the cheapest while they are few.
            few = 0.4 if name == "flask-threads" and users <= 10 else 1.0
            broken = name == "scratch-select" and users > 1000
            yield base(
                "map", name, rng, turn, scenario=f"map-{users}-users-{delay_s * 1000:g}ms",
                users=users, delay_s=delay_s, rps=rps, requests=max(1, round(10 * rps)),
                ceiling_rps=limit, binding="users", efficiency=rps / limit,
                cpu_ms_per_request=SERVICES[name][0] * few * rng.uniform(0.97, 1.03),
                **times(users / rps * 990, users / rps * 1200), **(INVALID if broken else {}),
            )  # fmt: skip


def cores(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    """Two processes do 1.4 to 1.6 times what one does, on two cores with the load."""
    for number in SETTINGS["cores"]["processes"]:
        gain = 1 + (number - 1) * rng.uniform(0.4, 0.6)
        rps = 800 / SERVICES[name][0] * gain
        ending = "1-process" if number == 1 else f"{number}-processes"
        yield base(
            "cores", name, rng, turn, scenario=f"cores-1000-users-50ms-{ending}", users=1000,
            delay_s=0.05, workers=number, shared_cores=2, bound="cores" * (number > 1), rps=rps,
            requests=round(10 * rps), ceiling_rps=20_000.0, binding="users",
            pss_bytes=round((60 + 25 * number) * 2**20 * rng.uniform(0.99, 1.01)),
            **times(1e6 / rps, 2e6 / rps),
        )  # fmt: skip


def payload(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    """Each KiB costs a tenth of what a request does without any."""
    for size in SETTINGS["payload"]["sizes"]:
        cpu = SERVICES[name][0] * (1 + 0.1 * size / 1024) * rng.uniform(0.98, 1.02)
        rps = min(1990.0, 950 / cpu)
        yield base(
            "payload", name, rng, turn, scenario=f"payload-200-users-100ms-{size // 1024}kib",
            users=200, size=size, rps=rps, requests=round(10 * rps), ceiling_rps=2000.0,
            binding="users", efficiency=rps / 2000, cpu_ms_per_request=cpu,
            **times(200_000 / rps, 260_000 / rps),
        )  # fmt: skip


MAKERS: dict[str, Maker] = {
    "open": open_load,
    "cost": cost,
    "stall": stall,
    "capacity": capacity,
    "held": held,
    "map": over_a_map,
    "cores": cores,
    "payload": payload,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "open": {"rates": [100, 500, 1000, 2000, 4000], "even_rates": [500], "delay_s": 0.1},
    "cost": {"rates": [200, 1000], "delay_s": 0.1},
    "stall": {
        "users": [50],
        "rate_rps": 500.0,
        "delay_s": 0.1,
        "stall_s": 1.0,
        "window_s": 10.0,
    },
    "capacity": {"delay_s": 0.1, "limit_ms": 100.0},
    "held": {"held": [0, 100, 500, 1000, 2000, 5000], "delay_s": 30.0},
    "cores": {"users": 1000, "delay_s": 0.05, "processes": [1, 2], "spread": True},
    "payload": {"users": 200, "delay_s": 0.1, "sizes": [0, 2048, 20_480]},
    "map": {"delays": [0.01, 0.1, 1.0], "users": [10, 100, 1000, 4000]},
}


def run(*kinds: str, **other: Any) -> Run:
    """A finished run of a profile of each of the kinds, all of them without any."""
    chosen = kinds or tuple(MAKERS)
    made = run_kinds.run(*chosen, makers=MAKERS, settings=SETTINGS, **other)
    for name, about in made.services.items():
        about["waits"] = WAITS.get(name, "a coroutine")
    return made
