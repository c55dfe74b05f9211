"""The backend stalls in the middle of a window: what closed users see of it, and an open one."""

from __future__ import annotations

from math import sqrt
from statistics import mean
from time import perf_counter
from typing import Any

import gevent

from loadtests.load.base import Load as AnyLoad
from loadtests.load.base import say
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed
from loadtests.workloads.delay import load as delay
from loadtests.workloads.open_rate import load as open_rate

LOOK_S = 0.002
DEVIATIONS = 2.0  # of what is in flight of arrivals at random


class Load(AnyLoad):
    """The load of a closed workload, or of an open one where a step has a rate."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.backend = Connection(plan["backend"], timeout_s=10)
        self.stall_s: float = plan["profile"]["stall_s"]
        self.problems: list[str] = []
        self.load: delay.Load | open_rate.Load | None = None
        self.recovery_s: float | None = None

    def check(self, service: Connection) -> None:
        """Nothing but what every service is asked."""

    def prepare(self, step: dict[str, Any]) -> None:
        """Stop those of the step before, and begin."""
        if self.load is not None:
            self.load.runner.quit()
        self.load = (open_rate if step["rate_rps"] else delay).Load(self.plan)
        self.load.prepare(step)

    def begin(self) -> None:
        """Count from zero."""
        self.recovery_s = None
        self._the_load().begin()

    def run(self, window_s: float) -> None:
        """Let the backend stall in the middle."""
        stalling = gevent.spawn_later((window_s - self.stall_s) / 2, self._stall)
        self._the_load().run(window_s)
        stalling.kill()

    def end(self) -> dict[str, Any]:
        """The window's counts; a stall that did not come about is a problem."""
        window = self._the_load().end()
        window["problems"] += self.problems
        window["recovery_s"] = self.recovery_s
        self.problems = []
        return window

    def _stall(self) -> None:
        path = b"/stall/%s" % f"{self.stall_s:g}".encode()
        request = b"POST %s HTTP/1.1\r\nHost: stall\r\nContent-Length: 0\r\n\r\n" % path
        try:
            status, _ = self.backend.exchange(request)
        except RequestFailed as error:
            self.problems.append(f"the backend did not stall: {error}")
        else:
            if status != 200:
                self.problems.append(f"the backend did not stall: it answered {status}")
            elif isinstance(self.load, open_rate.Load):
                self._await_recovery(self.load, perf_counter() + self.stall_s)

    def _await_recovery(self, load: open_rate.Load, end: float) -> None:
        """See how long after the end of the stall no more are in flight than before it.

        A service that takes no time answers at that instant all that is due, and what
        is left are those of the last delay, as many as ever.
        """
        before = mean(waiting for _, waiting in load.in_flight)
        gevent.sleep(end - perf_counter())
        say({"event": "mark"})
        while load.user.counts.in_flight > before + DEVIATIONS * sqrt(before):
            gevent.sleep(LOOK_S)
        self.recovery_s = round(perf_counter() - end, 4)
        say({"event": "mark"})

    def _the_load(self) -> AnyLoad:
        assert self.load is not None, "prepare comes first"
        return self.load
