"""How a perfect loop would do with the very requests of a run, by arithmetic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from math import ceil
from statistics import median

from loadtests.workloads.interference.schedule import Schedule

HELD_UP = 0.5  # of a burst: a light request that waits longer was held up


def medians(rounds: Iterable[Schedule], delay_s: float, burst_s: float) -> dict[str, float]:
    """The medians over rounds of `p50_ms`, `p99_ms` and `held_up`.

    That is the share of the light requests that waited for half a burst or longer.
    """
    limit_s = delay_s + HELD_UP * burst_s
    times = [sorted(times_s(schedule, delay_s, burst_s)) for schedule in rounds]
    shares = [sum(s >= limit_s for s in found) / len(found) for found in times]
    return {
        "p50_ms": round(1000 * median(_rank(found, 0.5) for found in times), 2),
        "p99_ms": round(1000 * median(_rank(found, 0.99) for found in times), 2),
        "held_up": round(median(shares), 4),
    }


def times_s(schedule: Schedule, delay_s: float, burst_s: float) -> list[float]:
    """Response times of the light requests of a cycle.

    One thread takes what is there in the order in which it came: it passes a light request
    on to the backend and later its answer back in no time, and computes a heavy one in
    `burst_s`. The cycle before the one that counts is the warm-up.
    """
    queue: list[tuple[float, int, str, float]] = []  # there since, turn, what it is, due
    turns = count()
    for begin in (cycle * schedule.cycle_s for cycle in range(3)):
        light = (begin + due for user in schedule.light for due in user)
        heavy = (begin + due for due in schedule.heavy)
        for what, instants in (("request", light), ("heavy", heavy)):
            for at in instants:
                heappush(queue, (at, next(turns), what, at))
    free, found = 0.0, []
    while queue:
        there, _, what, due = heappop(queue)
        free = max(there, free)
        if what == "heavy":
            free += burst_s
        elif what == "request":
            heappush(queue, (free + delay_s, next(turns), "answer", due))
        elif schedule.cycle_s <= due < 2 * schedule.cycle_s:
            found.append(free - due)
    return found


def _rank(times_s: Sequence[float], share: float) -> float:
    return times_s[ceil(share * len(times_s)) - 1]
