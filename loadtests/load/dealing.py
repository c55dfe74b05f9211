"""The part of a step of each of several generator processes, and their counts as one window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from loadtests.bench.rules import LITTLE
from loadtests.load import histogram
from loadtests.workloads.open_rate.sustained import growth

SUMS = (
    *("requests", "failures", "unfinished", "in_flight", "served", "connections", "unanswered"),
    *("due", "dropped", "backlog", "undrained"),
)
# A process that is late makes the load late, however well the others do: those figures are
# of the worst one, and not below what they would be of all together.
MOST = ("slowest_first_ms", "overslept_p99_ms", "lag_p99_ms", "drain_s")
# Histograms beside that of the response times, and the percentiles of each.
OTHERS = {"sent": ("p50_ms", "p99_ms"), "added": ("p50_ms", "p99_ms", "p999_ms")}
Samples = list[tuple[float, int]]


def dealt(step: dict[str, Any], process: int, processes: int) -> dict[str, Any]:
    """The part of a step that is this process's, counted from 0.

    Users are dealt evenly, the first ones get what is left over. Streams of random arrivals add
    up to one; even ones would not stay even, and so are all the first one's.
    """
    users, rate_rps = step["users"], step["rate_rps"]
    if rate_rps is not None and step["arrivals"] == "even":
        rate_rps = 0.0 if process else rate_rps
    elif rate_rps is not None:
        rate_rps /= processes
    own = users // processes + (process < users % processes)
    return {**step, "users": own, "rate_rps": rate_rps}


def seed(of_round: str, process: int) -> str:
    """The seed of a process: no two draw the same, and each the same again."""
    return f"{of_round} process {process}"


def merged(windows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The figures of one window, from those that each process has of it."""
    first = windows[0]
    found = {name: _of(sum, name, windows) for name in SUMS if name in first}
    found |= {name: _of(max, name, windows) for name in MOST if name in first}
    if found.get("unanswered"):
        found["slowest_first_ms"] = None
    kinds: Counter[str] = Counter()
    for window in windows:
        kinds.update(window["failure_kinds"])
    found["failure_kinds"] = dict(kinds)
    found |= _times(windows, "histogram") | {"mean_ms": _mean_ms(windows)}
    for kind, percentiles in OTHERS.items():
        if (name := f"{kind}_histogram") in first:
            times = _times(windows, name)
            found |= {f"{kind}_{each}": times[each] for each in percentiles}
            found[name] = times[name]
    found["problems"] = [problem for window in windows for problem in window["problems"]]
    return found


def in_flight(samples: Sequence[Samples]) -> Samples:
    """How many were in flight in all, at each instant at which a process looked.

    Of each process what it saw last counts, from the instant on at which all have looked.
    """
    looks = sorted((at, number, seen) for number, own in enumerate(samples) for at, seen in own)
    last: dict[int, int] = {}
    found = []
    for at, number, seen in looks:
        last[number] = seen
        if len(last) == len(samples):
            found.append((at, sum(last.values())))
    return found


def growth_rps(samples: Sequence[Samples], rate_rps: float) -> float | None:
    """By how many a second what is in flight in all grows; None where that cannot be told."""
    found = growth(in_flight(samples), rate_rps)
    return round(found.rps, 3) if found else None


def busiest(processes: Iterable[dict[str, Any]]) -> float:
    """The CPU on the core that has most of it to do; of a process, where they are on no core."""
    cores: Counter[Any] = Counter()
    for number, process in enumerate(processes):
        core = process["core"]
        cores["process", number if core is None else core] += process["cpu"]
    return round(max(cores.values()), 3)


def apart(windows: list[dict[str, Any]]) -> str:
    """The fault of windows that do not begin and end together; empty where they do."""
    apart_s = sum(
        max(window[end] for window in windows) - min(window[end] for window in windows)
        for end in ("opened", "closed")
    )
    shortest_s = min(window["closed"] - window["opened"] for window in windows)
    if apart_s <= LITTLE * shortest_s:
        return ""
    return f"the windows of the load's processes were {1000 * apart_s:.0f} ms apart at their ends"


def _of(how: Any, name: str, windows: Sequence[dict[str, Any]]) -> Any:
    known = [window[name] for window in windows if window[name] is not None]
    if not known:
        return None
    found = how(known)
    return round(found, 3) if isinstance(found, float) else found


def _times(windows: Sequence[dict[str, Any]], name: str) -> dict[str, Any]:
    text = histogram.merged(window[name] for window in windows)
    return {**histogram.figures(text), name: text}


def _mean_ms(windows: Sequence[dict[str, Any]]) -> float | None:
    """The exact one, which histograms do not know."""
    requests = sum(window["requests"] for window in windows)
    total_ms = sum(window["requests"] * (window["mean_ms"] or 0.0) for window in windows)
    return round(total_ms / requests, 3) if requests else None
