"""The figures of a service: counted in the processes that make load, put together for the page."""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import floor
from typing import Any, TypedDict

SHOWN_S = 60  # by the chart
WINDOW_S = 5.0  # of the figures beside it
SETTLED_S = 1.5  # so long after a second all processes have reported it


class Report(TypedDict):
    """A service's figures from one process, over `seconds`.

    `answers` are the right ones. `times` counts the response times of all, failures too, in steps
    of 0.1 ms; `total_ms` is their sum. `in_flight` is a mean, `users` are those at the end.
    """

    seconds: float
    users: int
    answers: int
    failures: int
    total_ms: float
    times: dict[float, int]
    in_flight: float


class Tally:
    """The requests of each service since the last report."""

    def __init__(self) -> None:
        self._times_ms: dict[str, list[float]] = {}
        self._answers: Counter[str] = Counter()
        self._failures: Counter[str] = Counter()

    def count(
        self,
        name: str,
        response_time: float | None,
        exception: BaseException | None = None,
        **_: object,
    ) -> None:
        """Count one request, as Locust's event tells of it; its name begins with the service."""
        service = name.partition(" ")[0]
        if response_time is not None:
            self._times_ms.setdefault(service, []).append(response_time)
        (self._failures if exception else self._answers)[service] += 1

    def take(
        self, seconds: float, users: dict[str, int], in_flight: dict[str, float]
    ) -> dict[str, Report]:
        """The report of every service that has users or had a request; then from zero."""
        times_ms, self._times_ms = self._times_ms, {}
        answers, self._answers = self._answers, Counter()
        failures, self._failures = self._failures, Counter()
        loaded = {name for name, number in users.items() if number}
        return {
            name: Report(
                seconds=seconds,
                users=users.get(name, 0),
                answers=answers[name],
                failures=failures[name],
                total_ms=sum(times_ms.get(name, ())),
                times=dict(Counter(round(time_ms, 1) for time_ms in times_ms.get(name, ()))),
                in_flight=in_flight.get(name, 0.0),
            )
            for name in loaded | times_ms.keys() | failures.keys()
        }


@dataclass
class Use:
    """A service's CPU time so far, and its memory now, at an instant of the clock of `Figures`."""

    at: float
    cpu_s: float
    pss_bytes: int | None


@dataclass
class _Service:
    reports: deque[tuple[float, str, Report]] = field(default_factory=deque)
    uses: deque[Use] = field(default_factory=lambda: deque(maxlen=4))


class Figures:
    """Reports of the processes that make load, and what services used, by the service's name."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._services: defaultdict[str, _Service] = defaultdict(_Service)

    def add(self, process: str, reports: dict[str, Report]) -> None:
        """Take the reports of a process, which end now."""
        now = self._clock()
        for name, report in reports.items():
            kept = self._services[name].reports
            kept.append((now, process, report))
            while kept[0][0] < now - SHOWN_S - WINDOW_S:
                kept.popleft()

    def use(self, name: str, cpu_s: float, pss_bytes: int | None) -> None:
        """Take what a service has used, up to now."""
        self._services[name].uses.append(Use(self._clock(), cpu_s, pss_bytes))

    def of(self, name: str) -> dict[str, Any]:
        """The figures of a service; None where there is none.

        `rps` are right answers a second, `little` is what Little's law makes of all answers:
        their rate times their mean response time; all are those of the last `WINDOW_S`.
        `series` are the right answers of each second, the newest last, with None where nothing
        was sent.
        """
        service, now = self._services[name], self._clock()
        recent = [one for one in service.reports if one[0] > now - WINDOW_S]
        times: Counter[float] = Counter()
        for _, _, report in recent:
            times.update(report["times"])
        cpu, pss_bytes = _use(service.uses)
        return {
            "users": _users(recent),
            "mean_users": _rate(recent, lambda report: report["users"] * report["seconds"]),
            "rps": _rate(recent, lambda report: report["answers"]),
            "failures": sum(report["failures"] for _, _, report in recent),
            "p50_ms": percentile(times, 0.5),
            "p99_ms": percentile(times, 0.99),
            "in_flight": _rate(recent, lambda report: report["in_flight"] * report["seconds"]),
            "little": _rate(recent, lambda report: report["total_ms"] / 1000),
            "cpu": cpu,
            "pss_bytes": pss_bytes,
            "series": _series(service.reports, now),
        }

    def second(self) -> int:
        """The second of the clock with which a series ends."""
        return floor(self._clock() - SETTLED_S)


def percentile(times: Counter[float], share: float) -> float | None:
    """The response time that `share` of them did not exceed; None where there is none."""
    rank = share * times.total()
    below = 0
    for time_ms in sorted(times):
        below += times[time_ms]
        if below >= rank:
            return time_ms
    return None


def _rate(
    reports: Iterable[tuple[float, str, Report]], amount: Callable[[Report], float]
) -> float | None:
    """So much a second, all processes together."""
    of_process: defaultdict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for _, process, report in reports:
        sums = of_process[process]
        sums[0] += amount(report)
        sums[1] += report["seconds"]
    return sum(done / seconds for done, seconds in of_process.values()) if of_process else None


def _users(reports: Iterable[tuple[float, str, Report]]) -> int:
    """Those of the newest report of each process."""
    return sum({process: report["users"] for _, process, report in reports}.values())


def _series(reports: Iterable[tuple[float, str, Report]], now: float) -> list[float | None]:
    """Right answers a second at each of the last seconds that all processes have reported."""
    last = floor(now - SETTLED_S)
    at: dict[int, float] = {}
    for end, _, report in reports:
        for second in range(floor(end - report["seconds"]) + 1, floor(end) + 1):
            at[second] = at.get(second, 0.0) + report["answers"] / report["seconds"]
    return [at.get(second) for second in range(last - SHOWN_S + 1, last + 1)]


def _use(uses: deque[Use]) -> tuple[float | None, int | None]:
    """The cores it fills, over the last looks at it, and its memory."""
    if not uses:
        return None, None
    first, last = uses[0], uses[-1]
    busy = (last.cpu_s - first.cpu_s) / (last.at - first.at) if last.at > first.at else None
    return busy, last.pss_bytes
