"""A made-up run of the profile `clients`, in which one client serves nobody at 1000 users."""

from __future__ import annotations

import random
from typing import Any

import runs

from loadtests.record import Point, Run, summarise

USERS = (10, 50, 200, 1000)
SETTINGS = {"kind": "clients", "title": "What the HTTP client costs.", "users": USERS}
SETTINGS |= {"delay_s": 0.1, "rounds": 3}
# Framework, model, client, and CPU-ms a request at 50 users and at 1000; none: it serves nobody.
SERVICES: dict[str, tuple[str, str, str, float, float | None]] = {
    "flask-threads": ("Flask", "threads", "urllib3", 1.19, 1.25),
    "flask-threads-requests": ("Flask", "threads", "requests", 1.71, 2.19),
    "flask-threads-httpx2": ("Flask", "threads", "httpx2", 1.53, 6.29),
    "flask-threads-bare": ("Flask", "threads", "a socket with httptools", 0.57, 0.37),
    "flask-gevent": ("Flask", "greenlets", "urllib3, patched by gevent", 1.21, 1.12),
    "flask-gevent-requests": ("Flask", "greenlets", "requests, patched by gevent", 1.8, 2.27),
    "flask-gevent-httpx2": ("Flask", "greenlets", "httpx2, patched by gevent", 1.9, 3.1),
    "flask-gevent-bare": ("Flask", "greenlets", "a socket with httptools", 0.45, 0.33),
    "fastapi": ("FastAPI", "event loop", "aiohttp", 0.38, 0.38),
    "fastapi-httpx": ("FastAPI", "event loop", "httpx", 9.75, None),
    "fastapi-httpx2": ("FastAPI", "event loop", "httpx2", 1.79, 2.72),
    "fastapi-pyqwest": ("FastAPI", "event loop", "pyqwest", 0.5, 0.42),
    "sanic": ("Sanic", "event loop", "aiohttp", 0.23, 0.22),
    "sanic-httpx2": ("Sanic", "event loop", "httpx2", 1.01, 1.19),
    "sanic-bare": ("Sanic", "event loop", "an asyncio.Protocol", 0.13, 0.11),
    "tornado": ("Tornado", "event loop", "Tornado's AsyncHTTPClient", 1.05, 0.85),
    "tornado-curl": ("Tornado", "event loop", "pycurl", 0.45, 0.57),
    "tornado-aiohttp": ("Tornado", "event loop", "aiohttp", 0.3, 0.26),
    "tornado-bare": ("Tornado", "event loop", "an asyncio.Protocol", 0.27, 0.25),
    "django-threads": ("Django", "threads", "urllib3", 1.18, 1.36),
    "django-threads-httpx2": ("Django", "threads", "httpx2", 1.7, 3.0),
    "django-gunicorn-httpx2": ("Django", "event loop", "httpx2", 1.9, 2.9),
    "aiohttp": ("aiohttp", "event loop", "aiohttp", 0.2, 0.19),
    "aiohttp-bare": ("aiohttp", "event loop", "an asyncio.Protocol", 0.11, 0.1),
}
STARVED = "nobody was served: none of 1,000 users had an answer in the window"


def run(*names: str, rounds: int = 3, **other: Any) -> Run:
    """A finished run of the services, all of them without any."""
    rng = random.Random(12)
    made = runs.empty("clients", **other)
    made.workloads = {"clients": SETTINGS}
    for name in names or SERVICES:
        framework, model, client, few, many = SERVICES[name]
        about = runs.about(name, 1000)
        made.services[name] = about | {"framework": framework, "model": model, "client": client}
        for turn in range(1, rounds + 1):
            for users in USERS:
                cpu = few if users <= 50 or many is None else many
                scenario = f"clients-{users}-users-100ms"
                of: dict[str, Any] = {"profile": "clients", "scenario": scenario, "served": users}
                if many is None and users == 1000:
                    made.points.append(starved(name, turn, of))
                else:
                    made.points.append(runs.point(rng, name, (cpu, 1000), users, turn, **of))
    made.summary = summarise(made.points)
    return made


def starved(name: str, turn: int, of: dict[str, Any]) -> Point:
    """A point of a service that lets 1000 users wait for longer than the window."""
    return Point(
        service=name, round=turn, users=1000, rate_rps=None, delay_s=0.1, duration_s=1.8,
        unfinished=1000, ceiling_rps=10_000.0, binding="users", efficiency=0.0, valid=False,
        pss_bytes=90 * 2**20, backend_calls=700, generator_cpu=0.1, connections=1000,
        in_flight=1000.0, invalid_because=[STARVED], **(of | {"served": 0}),
    )  # fmt: skip
