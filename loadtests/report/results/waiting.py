"""A waiting request: the thing that waits, and its cost, as slopes over the requests held.

Imports nothing that draws.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import linear_regression

from loadtests.catalog import PROCESSES
from loadtests.record import Point
from loadtests.report.results.parts import Derived, Part, derived

# The name of the thing that waits, by a word of service.toml's `waits`.
WAITERS = {
    "process": "a process",
    "thread": "a thread",
    "greenlet": "a greenlet",
    "callback": "a callback",
    "Future": "a callback",
    "Deferred": "a callback",
    "generator": "a generator",
    "coroutine": "a coroutine",
}
# The first requests also bring in what is there only once: code, pools, buffers.
SETTLED = 100


def waiter(part: Part, service: str) -> str:
    """The thing that waits in a service, in one of few words."""
    return thing_that_waits(str(part.run.services[service]["waits"]))


def thing_that_waits(waits: str) -> str:
    """The same, from the words of service.toml."""
    return next((name for word, name in WAITERS.items() if word in waits), waits)


def slope(field: str) -> Callable[[Part, str], Derived | None]:
    """The growth of a figure with each request held, by least squares, round by round."""

    def of(points: list[Point], settled_at: int) -> float | None:
        settled = [point for point in points if point.users >= settled_at]
        known = {p.users: value for p in settled if (value := getattr(p, field)) is not None}
        if len(known) < 2:
            return None
        return linear_regression(list(known), list(known.values())).slope

    def found(part: Part, service: str) -> Derived | None:
        # Processes are not settled by requests: each number of them is a service started anew.
        model = part.run.services.get(service, {}).get("model")
        settled_at = 1 if model == PROCESSES else SETTLED
        return derived(part, service, lambda points: of(points, settled_at))

    return found


memory, kernel = slope("pss_bytes"), slope("kernel_bytes")
threads, descriptors = slope("threads"), slope("descriptors")
