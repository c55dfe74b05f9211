"""A made-up run of overloads: flask-threads comes back, tornado not from callers that retry."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import run_kinds
from run_kinds import base, times

from loadtests.record import Point, Run

USUAL_S, OVER_S, AFTER_S = 5, 10, 12
CAPACITY = {"flask-threads": 800.0, "tornado": 600.0, "sanic": 900.0}
# Seconds until it is back, by the attempts of a caller; None where it is not.
BACK = {
    "flask-threads": {1: 3, 3: 8},
    "tornado": {1: 6, 3: None},
    "sanic": {1: 1, 3: 2},
}
SETTINGS: dict[str, dict[str, Any]] = {
    "overload": {
        "delay_s": 0.1, "timeout_s": 1.0, "retries": 2, "usual_s": USUAL_S, "over_s": OVER_S,
        "usual": 0.5, "over": 1.5, "window_s": float(USUAL_S + OVER_S + AFTER_S),
    }
}  # fmt: skip


def seconds(rng: random.Random, capacity: float, back: int | None, sent: int) -> list[Any]:
    """The arrivals of each second, and how many of them were answered."""
    found = []
    for second in range(USUAL_S + OVER_S + AFTER_S):
        over = USUAL_S <= second < USUAL_S + OVER_S
        late = second >= USUAL_S and (back is None or second < USUAL_S + OVER_S + back - 1)
        due = round(capacity * (1.5 if over else 0.5) * rng.uniform(0.97, 1.03))
        found.append(
            {
                "due": due,
                "answered": round(0.4 * due) if late else due,
                "sent": due * (sent if late else 1),
                "p50_ms": 900.0 if late else 101.0,
                "p99_ms": 990.0 if late else 105.0 * rng.uniform(0.98, 1.02),
            }
        )
    return found


def overload(name: str, rng: random.Random, turn: int) -> Iterator[Point]:
    for ending, sent in (("gives-up", 1), ("retries", 3)):
        of = seconds(rng, CAPACITY[name], BACK[name][sent], sent)
        answered, calls = sum(one["answered"] for one in of), sum(one["sent"] for one in of)
        held = {"pss_bytes": 50 * 2**20, "threads": 100, "descriptors": 60}
        yield base(
            "overload", name, rng, turn, scenario=f"overload-{ending}", users=0, duration_s=27.0,
            requests=sum(one["due"] for one in of), rps=answered / 27, arrivals="poisson",
            overload={
                "capacity_rps": CAPACITY[name], "users": 200, "seconds": of, "calls": calls,
                "idle_s": None if BACK[name][sent] is None else 0.5, "backend_in_flight": 0,
                "unwanted_calls": calls - answered,
            },
            looks=[
                {"when": "rest", **held},
                {"when": "loaded", **held, "pss_bytes": 90 * 2**20, "descriptors": 2060},
                {"when": "loaded", **held},
                {"when": "left", **held, "pss_bytes": 57 * 2**20, "threads": 120},
            ],
            **times(101.0, 990.0),
        )  # fmt: skip


def run(**other: Any) -> Run:
    """A finished run of three services, unless `services` says others."""
    given = {"services": tuple(CAPACITY), "settings": SETTINGS, **other}
    return run_kinds.run("overload", makers={"overload": overload}, **given)
