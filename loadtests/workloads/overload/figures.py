"""The figures of a point of an overload."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, isinf
from typing import Any

from loadtests.record import Point
from loadtests.report.results import facts
from loadtests.report.results.parts import Derived, Part, derived
from loadtests.workloads.overload import GIVES_UP, recovery

Figure = Callable[[Point], float | None]


def phases_s(part: Part) -> tuple[int, int, int]:
    """Those of the three phases."""
    usual_s, over_s = int(part.settings["usual_s"]), int(part.settings["over_s"])
    return usual_s, over_s, int(part.settings["window_s"]) - usual_s - over_s


def watched_s(part: Part) -> int:
    """How long after the overload it is looked whether the service is back: but the last second."""
    return phases_s(part)[2] - 1


def callers(part: Part, scenario: str) -> str:
    """The callers of a scenario, in words."""
    given = f"callers that give up after {facts.seconds(part.settings['timeout_s'])}"
    if scenario.endswith(GIVES_UP):
        return given
    pauses_s = part.settings.get("backoff_s", 0.0)
    how = f"after up to {facts.seconds(pauses_s)}" if pauses_s else "at once"
    return f"{given} and retry {how}, {part.settings['retries']} times at most"


def back_s(part: Part, point: Point) -> float | None:
    """Seconds until it is as before; infinite where it is not in the window."""
    if not point.overload:
        return None
    found = recovery.back_s(point.overload["seconds"], *phases_s(part))
    return inf if found is None else found


def _overloaded(part: Part, point: Point) -> list[dict[str, Any]]:
    usual_s, over_s, _ = phases_s(part)
    seconds: list[dict[str, Any]] = point.overload.get("seconds", [])
    return seconds[usual_s : usual_s + over_s]


def in_time(part: Part, point: Point) -> float | None:
    """The percentage of the arrivals of the overload that was answered in time."""
    seconds = _overloaded(part, point)
    share = recovery.answered(seconds)
    return None if share is None else 100 * share


def attempts(part: Part, point: Point) -> float | None:
    """Attempts for each arrival of the overload."""
    seconds = _overloaded(part, point)
    due = sum(second["due"] for second in seconds)
    return sum(second["sent"] for second in seconds) / due if due else None


def unwanted(point: Point) -> float | None:
    """The percentage of the calls of the backend that no caller got in time."""
    calls = point.overload.get("calls")
    return 100 * point.overload["unwanted_calls"] / calls if calls else None


def of(name: str) -> Figure:
    def figure(point: Point) -> float | None:
        found: float | None = point.overload.get(name)
        return found

    return figure


def peak(name: str, scale: float = 1) -> Figure:
    """The most of what it held, at any look."""

    def figure(point: Point) -> float | None:
        found = [look[name] for look in point.looks if look[name] is not None]
        return max(found) / scale if found else None

    return figure


def left(name: str, scale: float = 1) -> Figure:
    """By how much it held more after the load than before it, each time without any caller."""

    def figure(point: Point) -> float | None:
        found = {look["when"]: look[name] for look in point.looks}
        rest, after = found.get("rest"), found.get("left")
        return None if rest is None or after is None else (after - rest) / scale

    return figure


def finite(kind: str, figure: Callable[[Part, Point], float | None]) -> Callable[
    [Part, str], Derived | None
]:  # fmt: skip
    """A figure of one kind of callers, round by round, as far as it is a number."""

    def of(part: Part, service: str) -> Derived | None:
        def found(points: list[Point]) -> float | None:
            values = [figure(part, point) for point in points if point.scenario.endswith(kind)]
            return next((one for one in values if one is not None and not isinf(one)), None)

        return derived(part, service, found)

    return of
