"""Requests that all wait at once for a delay longer than the turn: `/?delay=…`.

They are sent a few at a time and measured while they wait; each must be
answered with its own body in the end.
"""

from __future__ import annotations

import json
from collections import Counter
from itertools import count
from time import perf_counter
from typing import Any

import gevent

from loadtests.load import base
from loadtests.load.base import StepFailed, backend_stats
from loadtests.load.connection import Connection
from loadtests.load.crowd import Crowd
from loadtests.load.failure import RequestFailed

AT_ONCE = 100  # before the backend must have them: no service's backlog is that short
PATIENCE_S = 5.0  # without another one at the backend
LATE_S = 30.0  # after the delay: many thousands of answers fall due in the same seconds


class Held:
    """One request on a connection of its own, and how it ended: None while it waits."""

    _numbers = count()

    def __init__(self, host: str, delay_s: float) -> None:
        self.outcome: str | None = None
        self._id = b"held-%d" % next(self._numbers)
        self._delay = f"{delay_s:g}".encode()
        self._connection = Connection(host, delay_s + LATE_S)
        self._connection.open()
        self._greenlet = gevent.spawn(self._wait)

    def _wait(self) -> None:
        request = b"GET /?delay=%s HTTP/1.1\r\nHost: held\r\nX-Request-ID: %s\r\n\r\n"
        try:
            status, body = self._connection.exchange(request % (self._delay, self._id))
        except RequestFailed as error:
            self.outcome = error.kind
            return
        right = b'{"delay":%s,"id":"%s"}' % (self._delay, self._id)
        wrong = "wrong body" if status == 200 else "bad status"
        self.outcome = "right" if (status, body) == (200, right) else wrong

    def close(self) -> None:
        """Wait no longer."""
        self._greenlet.kill()
        self._connection.close()


class Load(base.Load):
    """As many held requests as a step says, and nothing else."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.profile = plan["profile"]
        self.backend = Connection(plan["backend"], timeout_s=10)
        delay_s = self.profile["delay_s"]
        self.crowd: Crowd[Held] = Crowd(lambda: Held(plan["host"], delay_s))
        self.wanted: list[int] = [step["users"] for step in plan["steps"]]
        self.capacity = 0

    def check(self, service: Connection) -> None:
        """See how many it can hold."""
        info = json.loads(service.exchange(b"GET /info HTTP/1.1\r\nHost: check\r\n\r\n")[1])
        self.capacity = min(info["slots"], info["client_pool"] * info["workers"])

    def prepare(self, step: dict[str, Any]) -> None:
        """Send what is missing, see it arrive at the backend, let the service rest."""
        wanted: int = step["users"]
        if wanted > self.capacity:
            raise StepFailed(f"it can hold {self.capacity} requests, not {wanted}")
        while (have := len(self.crowd.members)) < wanted:
            self.crowd.grow(min(wanted, have + AT_ONCE))
            self._see_arrive(wanted)
        gevent.sleep(self.profile["warmup_s"])
        self._see_wait(wanted)

    def begin(self) -> None:
        """Nothing is counted."""

    def run(self, window_s: float) -> None:
        """Let them wait."""
        gevent.sleep(window_s)

    def end(self) -> dict[str, Any]:
        """No request is completed; after the last step that fits, all must be answered."""
        held = len(self.crowd.members)
        problems = []
        try:
            self._see_wait(held)
        except StepFailed as error:
            problems.append(str(error))
        unfinished = sum(member.outcome is None for member in self.crowd.members)
        if held == max(number for number in self.wanted if number <= self.capacity):
            problems += self._wait_for_all()
        return {
            "requests": 0,
            "failures": 0,
            "failure_kinds": {},
            "unfinished": unfinished,
            "in_flight": unfinished,
            "connections": held,
            "problems": problems,
        }

    def _see_arrive(self, wanted: int) -> None:
        """Wait until the backend has all that were sent; StepFailed where it does not get them."""
        sent, most, since = len(self.crowd.members), -1, perf_counter()
        while (arrived := self._at_backend()) < sent:
            if arrived > most:
                most, since = arrived, perf_counter()
            self._see_none_ended()
            if perf_counter() - since > PATIENCE_S:
                raise StepFailed(f"only {most} of {wanted} requests arrived at the backend")
            gevent.sleep(0.005)

    def _see_wait(self, held: int) -> None:
        """StepFailed unless exactly so many wait."""
        self._see_none_ended()
        if (arrived := self._at_backend()) != held:
            raise StepFailed(f"{arrived} requests wait at the backend instead of {held}")

    def _see_none_ended(self) -> None:
        ended = Counter(member.outcome for member in self.crowd.members if member.outcome)
        if ended:
            kinds = ", ".join(f"{times} {kind}" for kind, times in ended.items())
            of = len(self.crowd.members)
            early = f"of {of} requests {ended.total()} did not wait until the end ({kinds})"
            hint = ": delay_s is too short for so many" if ended["right"] else ""
            raise StepFailed(early + hint)

    def _wait_for_all(self) -> list[str]:
        deadline = perf_counter() + self.profile["delay_s"] + LATE_S
        while any(member.outcome is None for member in self.crowd.members):
            if perf_counter() > deadline:
                break
            gevent.sleep(0.05)
        ends = Counter(member.outcome or "no answer" for member in self.crowd.members)
        bad = {kind: times for kind, times in ends.items() if kind != "right"}
        if not bad:
            return []
        kinds = ", ".join(f"{times} {kind}" for kind, times in bad.items())
        of = len(self.crowd.members)
        return [f"{sum(bad.values())} of {of} held requests were not answered as asked ({kinds})"]

    def _at_backend(self) -> int:
        in_flight: int = backend_stats(self.backend)["in_flight"]
        return in_flight
