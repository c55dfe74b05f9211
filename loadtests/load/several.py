"""A load that several processes make together: this one is Locust's master, they are its workers.

The messages are told in `worker.py`. A worker that ends, or does not answer, makes the step
that is measured fail; the next one begins with new ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

import gevent

from loadtests.load import base, dealing
from loadtests.load.base import Load, StepFailed
from loadtests.load.connection import Connection
from loadtests.load.crew import LOOK_S, SILENT_S, Crew
from loadtests.load.http_load import herd

LONG = 20  # times the mean delay, of which those that are drawn may be many times as long
LEAD_S = 0.1  # from saying when a window opens until it does: the workers' core may be busy
TRIPS = 2  # and so many round trips, which carry what is said


@contextmanager
def load(plan: dict[str, Any]) -> Iterator[Load]:
    """The load of a plan, made by as many processes as it says; none is left at the end."""
    if "processes" not in plan:
        yield base.load(plan)
        return
    several = SeveralLoads(plan)
    try:
        yield several
    finally:
        several.crew.stop()


class SeveralLoads(Load):
    """The part of a load that is made by this process: to say what the others do."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.checking = base.load(plan)
        self.step: dict[str, Any] = {}
        self.opens = self.used_s = 0.0
        self.said: dict[str, dict[int, dict[str, Any]]] = {}  # by kind and the worker's number
        self.crew = Crew(plan, self._hear)

    def check(self, service: Connection) -> None:
        """As one process does."""
        self.checking.check(service)

    def measure(self, step: dict[str, Any], window: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Have all bring up their part, and count in the same window."""
        try:
            return super().measure(step, window)
        except StepFailed:
            self.crew.stop()  # what they have in flight, and their users, belong to this step
            raise

    def prepare(self, step: dict[str, Any]) -> None:
        """Have all bring up and warm up their part of a step."""
        if not self.crew.numbers:
            self.crew.start()
        self.step, self.said = step, {"prepared": {}, "counted": {}, "failed": {}}
        self.crew.tell("step", lambda number: dealing.dealt(step, number, self.crew.size))
        profile = self.plan["profile"]
        delay_s = max(step["delay_s"] or 0.0, profile.get("delay_s", 0.0))
        self._await("prepared", SILENT_S + profile["warmup_s"] + LONG * delay_s)

    def opening(self) -> None:
        """Say when the window opens, and come back shortly before that."""
        farthest_s = max(self.crew.clock(number).round_trip_s for number in self._numbers())
        self.opens = perf_counter() + LEAD_S + TRIPS * farthest_s
        closes = self.opens + self.plan["profile"]["window_s"]
        self.crew.tell("window", lambda number: self._window_of(number, closes))
        gevent.sleep(self.opens - perf_counter())

    def begin(self) -> None:
        """The window of all has opened."""
        self.used_s = process_time()

    def run(self, window_s: float) -> None:
        """See that all workers are there until the window is over."""
        closes = self.opens + window_s
        while (left_s := closes - perf_counter()) > 0:
            gevent.sleep(min(LOOK_S, left_s))
            self._see()
        self.used_s = process_time() - self.used_s

    def end(self) -> dict[str, Any]:
        """The counts of all of them."""
        self._await("counted", SILENT_S)
        windows = [self._by_our_clock(number) for number in self._numbers()]
        durations_s = [window["closed"] - window["opened"] for window in windows]
        duration_s = sum(durations_s) / len(durations_s)
        used = [
            {
                "process": number,
                "core": self.crew.core(number),
                "requests": window["requests"],
                "cpu": round(window["cpu_s"] / own_s, 3),
                **self.crew.described(number),
            }
            for number, (window, own_s) in enumerate(zip(windows, durations_s, strict=True))
        ]
        master = {"core": self.crew.core(0), "cpu": self.used_s / duration_s}
        found = dealing.merged(windows)
        if "growth_rps" in windows[0]:
            samples = [window["samples"] for window in windows]
            found["growth_rps"] = dealing.growth_rps(samples, self.step["rate_rps"])
        found["problems"] += filter(None, [self._herd(), dealing.apart(windows)])
        return {
            **found,
            "duration_s": round(duration_s, 4),
            "generator_cpu": dealing.busiest([*used, master]),
            "generator_processes": used,
        }

    def _numbers(self) -> range:
        return range(self.crew.size)

    def _window_of(self, number: int, closes: float) -> dict[str, float]:
        """When the window of all is, on the worker's clock."""
        clock = self.crew.clock(number)
        return {"opens": clock.there(self.opens), "closes": clock.there(closes)}

    def _by_our_clock(self, number: int) -> dict[str, Any]:
        """A worker's counts, with their instants on the clock of this machine."""
        clock, counted = self.crew.clock(number), self.said["counted"][number]
        samples = [(clock.here(at), seen) for at, seen in counted["samples"]]
        ends = {end: clock.here(counted[end]) for end in ("opened", "closed")}
        return {**counted, **ends, "samples": samples}

    def _herd(self) -> str:
        said = [
            (self.crew.clock(number), self.said["prepared"][number]) for number in self._numbers()
        ]
        began = [clock.here(instant) for clock, one in said for instant in one["began"]]
        return herd(began, said[0][1]["spread_s"])

    def _await(self, kind: str, limit_s: float) -> None:
        """Come back when all have said it; StepFailed where one cannot, or does not."""
        give_up = perf_counter() + limit_s
        while len(self.said[kind]) < self.crew.size:
            self._see()
            if perf_counter() > give_up:
                raise StepFailed("a process of the load did not answer")
            gevent.sleep(LOOK_S)

    def _see(self) -> None:
        """StepFailed where one has ended, or says that it cannot measure the step."""
        self.crew.see()
        for failed in self.said.get("failed", {}).values():
            raise StepFailed(failed["reason"])

    def _hear(self, number: int, kind: str, data: dict[str, Any]) -> None:
        if kind in self.said:
            self.said[kind][number] = data
