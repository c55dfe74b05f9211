"""The backend stalls in the middle of a window: what closed users see of it, and an open one."""

from __future__ import annotations

from typing import Any

import gevent

from loadtests.load.connection import Connection, RequestFailed
from loadtests.load.workloads import Load as AnyLoad
from loadtests.load.workloads import delay, open


class Load(AnyLoad):
    """The load of a closed workload, or of an open one where a step has a rate."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.backend = Connection(plan["backend"], timeout_s=10)
        self.stall_s: float = plan["profile"]["stall_s"]
        self.problems: list[str] = []
        self.load: delay.Load | open.Load | None = None

    def check(self, service: Connection) -> None:
        """Nothing but what every service is asked."""

    def prepare(self, step: dict[str, Any]) -> None:
        """Stop those of the step before, and begin."""
        if self.load is not None:
            self.load.runner.quit()
        self.load = (open if step["rate_rps"] else delay).Load(self.plan)
        self.load.prepare(step)

    def begin(self) -> None:
        """Count from zero."""
        self._the_load().begin()

    def run(self, window_s: float) -> None:
        """Let the backend stall in the middle."""
        stalling = gevent.spawn_later((window_s - self.stall_s) / 2, self._stall)
        self._the_load().run(window_s)
        stalling.join()

    def end(self) -> dict[str, Any]:
        """What was counted; a stall that did not come about is a problem."""
        window = self._the_load().end()
        window["problems"] += self.problems
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

    def _the_load(self) -> AnyLoad:
        assert self.load is not None, "prepare comes first"
        return self.load
