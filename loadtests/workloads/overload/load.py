"""Arrivals below a service's capacity, then beyond it, then below: `/?delay=…`, from callers that
do not wait for ever."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from itertools import groupby
from math import floor
from time import perf_counter, process_time
from typing import Any

import gevent

from loadtests.load.base import StepFailed, backend_stats, say
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed
from loadtests.load.histogram import figures
from loadtests.load.histogram import of as histogram_of
from loadtests.workloads.open_rate import load as open_rate
from loadtests.workloads.open_rate.load import LOOK_S
from loadtests.workloads.overload import recovery, saturated
from loadtests.workloads.overload.callers import CallerUser
from loadtests.workloads.overload.saturated import Capacity

NOTE_S = 2.0  # how often what the service holds is looked at
NOTED_S = 0.5  # so long nothing else happens, where one look is compared with another
# A service is idle where the backend has none of its calls, and has had no new one for so long.
QUIET_S, LOOK_QUIET_S = 0.5, 0.1
# So long it may take, of callers that are not there any more; before the next ones, so much more.
IDLE_S, PATIENCE_S = 5.0, 20.0
SOUND = 0.99  # of what arrives before the overload must be answered in time


class Load(open_rate.Load):
    """The three phases of one kind of callers after those of another."""

    user: type[CallerUser] = CallerUser

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        self.host: str = plan["host"]
        self.backend = Connection(plan["backend"], timeout_s=10)
        self.capacity: Capacity | None = None
        self.idle_at: float | None = 0.0
        self.scenario = ""
        self.ended: list[tuple[float, float, bool]] = []  # due, time in ms, in time?
        self.busy: dict[str, float] = {}

    def configure(self) -> None:
        super().configure()
        self.user.give_up_s = self.profile["timeout_s"]
        self.user.backoff_s = self.profile["backoff_s"]

    def measure(self, step: dict[str, Any], window: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The figures of a window, what became of each second's arrivals, and what is left."""
        if self.idle_at is None and self.await_idle(PATIENCE_S) is None:
            raise StepFailed("the service was still at work for the callers of the step before")
        if self.capacity is None:
            self.capacity = saturated.capacity(self.host, self.profile["delay_s"])
            self.await_idle(IDLE_S)
        self.note("rest")
        gevent.sleep(NOTED_S)
        self.prepare(step)
        found = window()
        begun = perf_counter()
        self.leave()
        self.idle_at = self.await_idle(IDLE_S)
        stats = backend_stats(self.backend)
        self.note("left")
        gevent.sleep(NOTED_S)
        seconds = list(self.seconds(found["duration_s"]))
        found["problems"] += [*self.unsound(seconds), *self.too_slow()]
        answered = sum(second["answered"] for second in seconds)
        overload = {
            "capacity_rps": round(self.capacity.rps, 1),
            "users": self.capacity.users,
            "seconds": seconds,
            "idle_s": None if self.idle_at is None else round(self.idle_at - begun, 2),
            "backend_in_flight": stats["in_flight"],
            "unwanted_calls": max(0, stats["calls"] - answered),
            "calls": stats["calls"],
        }
        return {**found, **self.busy, "overload": overload}

    def prepare(self, step: dict[str, Any]) -> None:
        """Have the usual callers come, until the service is warm."""
        self.scenario, self.user.attempts = step["scenario"], step["attempts"]
        self.user.pauses = random.Random(f"{self.seed} pauses")
        super().prepare(step)

    def warm(self, step: dict[str, Any]) -> None:
        self.begin_arrivals(self.rate_rps(self.profile["usual"]), f"{self.scenario} before")

    def arrive(self, rate_rps: float, name: str) -> None:
        """Each phase of the window begins with arrivals of its own."""

    def begin(self) -> None:
        super().begin()
        self.ended.clear()
        self.user.attempted.clear()

    def run(self, window_s: float) -> None:
        """The usual load, the overload, the usual load; the seconds begin with the window."""
        noting = gevent.spawn(self.note_on)
        try:
            for phase, (share, seconds) in self.phases(window_s).items():
                self.begin_arrivals(self.rate_rps(share), f"{self.scenario} {phase}")
                used, begun = self.used_s(), perf_counter()
                super().run(seconds)
                if phase == "over":  # the busiest
                    passed_s = perf_counter() - begun
                    shares = [(b - a) / passed_s for a, b in zip(used, self.used_s(), strict=True)]
                    names = ("generator_cpu", "backend_cpu")
                    self.busy = dict(zip(names, (round(share, 3) for share in shares), strict=True))
        finally:
            noting.kill()

    def phases(self, window_s: float) -> dict[str, tuple[float, float]]:
        """The share of the capacity and the length of each, in turn."""
        usual, usual_s = self.profile["usual"], self.profile["usual_s"]
        over_s = self.profile["over_s"]
        return {
            "usual": (usual, usual_s),
            "over": (self.profile["over"], over_s),
            "after": (usual, window_s - usual_s - over_s),
        }

    def asked(self) -> float:
        seconds = self.phases(self.profile["window_s"]).values()
        return sum(self.rate_rps(share) * length_s for share, length_s in seconds)

    def rate_rps(self, share: float) -> float:
        assert self.capacity is not None, "it is measured first"
        return share * self.capacity.rps

    def end(self) -> dict[str, Any]:
        """The figures; that more was in flight at the end than at the beginning is none here."""
        return {**super().end(), "growth_rps": None}

    def leave(self) -> None:
        """Send nothing more; each caller has its answer or gives up; then close all connections."""
        self.user.rate_rps = 0.0
        pauses_s = sum(self.user.backoff_s * 2**number for number in range(self.user.attempts - 1))
        give_up = perf_counter() + self.user.attempts * self.user.give_up_s + pauses_s + 1
        while self.user.counts.in_flight and perf_counter() < give_up:
            gevent.sleep(LOOK_S)
        name = self.user.__name__
        self.runner.stop_users({name: self.runner.user_classes_count[name]})

    def await_idle(self, most_s: float) -> float | None:
        """Since when the service does nothing any more, on perf_counter's clock.

        None where it still does something after `most_s`.
        """
        calls, since = -1, perf_counter()
        give_up = since + most_s
        while since <= give_up:
            stats, now = backend_stats(self.backend), perf_counter()
            if stats["in_flight"] or stats["calls"] != calls:
                calls, since = stats["calls"], now
            elif now - since > QUIET_S:
                return since
            gevent.sleep(LOOK_QUIET_S)
        return None

    def note_on(self) -> None:
        """Have what the service holds looked at, again and again."""
        while True:
            gevent.sleep(NOTE_S)
            self.note("loaded")

    def note(self, when: str) -> None:
        """Have it looked at now."""
        say({"event": "look", "when": when})

    def used_s(self) -> tuple[float, float]:
        """CPU time of the generator and of the backend so far."""
        return process_time(), backend_stats(self.backend)["cpu_s"]

    def seconds(self, duration_s: float) -> Iterator[dict[str, Any]]:
        """Of the arrivals that were due in each: how many were answered in time, and their p99."""
        attempts = [0] * int(duration_s)
        for at in self.user.attempted:
            if 0 <= (second := floor(at - self.opened)) < len(attempts):
                attempts[second] += 1
        due = sorted((floor(due - self.opened), ms, good) for due, ms, good in self.ended)
        by_second = {second: list(group) for second, group in groupby(due, lambda one: one[0])}
        for second, sent in enumerate(attempts):
            group = by_second.get(second, [])
            times_ms = [ms for _, ms, good in group if good]
            shown = figures(histogram_of(times_ms))
            yield {
                "due": len(group),
                "answered": len(times_ms),
                "sent": sent,
                "p50_ms": shown["p50_ms"],
                "p99_ms": shown["p99_ms"],
            }

    def unsound(self, seconds: list[dict[str, Any]]) -> list[str]:
        """A service that is overloaded before the overload has nothing to come back to."""
        share = recovery.answered(seconds[: self.profile["usual_s"]])
        if share is not None and share >= SOUND:
            return []
        told = "nothing arrived" if share is None else f"{share:.1%} were answered in time"
        return [f"before the overload {told}: its capacity was taken for more than it is"]

    def too_slow(self) -> list[str]:
        """A delay so long that users, not the service, set the rate: then nothing is too much."""
        assert self.capacity is not None
        if not self.capacity.is_bound:
            return []
        return [f"{self.capacity.users:,} users ÷ delay is no capacity: a shorter delay shows it"]

    def noted(
        self, response_time_ms: float | None, failure: RequestFailed | None, context: dict[str, Any]
    ) -> None:
        super().noted(response_time_ms, failure, context)
        if response_time_ms is not None:
            due = perf_counter() - response_time_ms / 1000
            self.ended.append((due, response_time_ms, failure is None))
