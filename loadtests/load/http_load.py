"""Locust users of one class or two, and what they counted in a window."""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from time import perf_counter
from typing import Any

import gevent
from locust.env import Environment

from loadtests.bench.rules import SAMPLE_S
from loadtests.load import histogram
from loadtests.load.base import Load, tidy
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed
from loadtests.load.users import RawHttpUser

# A window shows users that are served, but it is not put off for longer than this.
FIRST_ANSWERS_S = 5.0
# Fewer users, or begins closer than a machine keeps time, say nothing of a herd.
FEWEST_IN_HERD = 10
SHORTEST_SPREAD_S = 0.05
HERD = 0.75


class HttpLoad(Load):
    """Users of the class `user`; those of other classes in `others` disturb them.

    Each step has as many or more of them than the last one: they are added,
    never taken away.
    """

    user: type[RawHttpUser]
    others: tuple[type[RawHttpUser], ...] = ()

    def __init__(self, plan: dict[str, Any]) -> None:
        self.profile = plan["profile"]
        self.configure()
        classes: list[type[RawHttpUser]] = [self.user, *self.others]
        self.runner = Environment(user_classes=[*classes], host=plan["host"]).create_local_runner()
        for user in classes:
            user.host, user.recorder = plan["host"], self
        # Of each path: the response times, of failures too, and the kinds of failures.
        self.times_ms: defaultdict[str, list[float]] = defaultdict(list)
        self.failure_kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.in_flight: list[tuple[float, int]] = []  # as sampled, with the instants
        self.overslept_ms: list[float] = []  # by so much the sampler, and so who reads answers
        self.herd = ""
        self.opened = 0.0
        self.slowest_first_ms: float | None = None
        self.unanswered = 0  # users without any answer when the window opens

    def configure(self) -> None:
        """Set what the user classes read from the profile."""
        raise NotImplementedError

    def check(self, service: Connection) -> None:
        """By default only what every service is asked before anything else."""

    def wanted(self, step: dict[str, Any]) -> dict[type[RawHttpUser], int]:
        """How many users of each class the step needs."""
        return {self.user: step["users"]}

    def spread_s(self, step: dict[str, Any]) -> float:
        """Over which time the users begin."""
        delay_s: float = self.profile["delay_s"]
        return delay_s

    def prepare(self, step: dict[str, Any]) -> None:
        """Add what is missing, let each have a first answer, and let all warm up."""
        running = self.runner.user_classes_count
        missing = {
            user: wanted - running[user.__name__] for user, wanted in self.wanted(step).items()
        }
        # A saturated event loop may accept one connection a turn, of a millisecond or so.
        settle_s = 0.1 + sum(missing.values()) * 0.001
        RawHttpUser.settle_s = settle_s
        prepared = perf_counter()
        self.runner.spawn_users({user.__name__: number for user, number in missing.items()})
        gevent.sleep(settle_s / 2)
        if any(missing.values()):
            tidy()
        gevent.sleep(settle_s / 2 + self.spread_s(step))
        self.await_first_answers()
        gevent.sleep(self.profile["warmup_s"])
        new = [user for user in self.users() if user.began > prepared]
        self.herd = herd([user.began for user in new], self.spread_s(step))
        firsts = [user.first_ms for user in new if user.first_ms is not None]
        self.unanswered = self.unserved()
        self.slowest_first_ms = round(max(firsts), 1) if firsts and not self.unanswered else None

    def unserved(self) -> int:
        """How many users have had no answer yet."""
        return sum(user.first_ms is None for user in self.users())

    def await_first_answers(self) -> None:
        """Come back when each user has had an answer: who joins a busy server may wait long.

        A server that is saturated may accept new connections late, and would be measured
        with fewer users than it says, and with a tail that ends with the warm-up.
        """
        give_up = perf_counter() + FIRST_ANSWERS_S
        while self.unserved() and perf_counter() < give_up:
            gevent.sleep(0.05)

    def begin(self) -> None:
        """Count from zero."""
        self.times_ms.clear()
        self.failure_kinds.clear()
        self.in_flight.clear()
        self.overslept_ms.clear()
        self.opened = perf_counter()

    def run(self, window_s: float) -> None:
        """Let the users do, and look how many of them wait.

        At uneven instants: even ones could keep step with requests that are even too.
        """
        close = perf_counter() + window_s
        while (left_s := close - (now := perf_counter())) > 0 and not self.is_hopeless():
            due = now + min(left_s, SAMPLE_S * random.uniform(0.5, 1.5))
            gevent.sleep(due - now)
            self.in_flight.append((woke := perf_counter(), self.user.counts.in_flight))
            self.overslept_ms.append(max(0.0, woke - due) * 1000)

    def is_hopeless(self) -> bool:
        """Whether a window may end early: by default it does not."""
        return False

    def end(self) -> dict[str, Any]:
        """The figures of the users of the class `user`."""
        samples = [waiting for _, waiting in self.in_flight]
        return {
            "unfinished": self.user.counts.in_flight,
            "in_flight": round(sum(samples) / len(samples), 3) if samples else None,
            "served": self.served(),
            "connections": self.connections(),
            "unanswered": self.unanswered,
            "slowest_first_ms": self.slowest_first_ms,
            "overslept_p99_ms": histogram.figures(histogram.of(self.overslept_ms))["p99_ms"],
            **self.figures(self.user),
            "problems": [self.herd] if self.herd else [],
        }

    def users(self) -> list[RawHttpUser]:
        """The running users of the class `user`."""
        users = (greenlet.args[0] for greenlet in self.runner.user_greenlets)
        return [user for user in users if isinstance(user, self.user)]

    def served(self) -> int | None:
        """How many users of the class `user` had a right answer in the window."""
        return sum(user.served_at >= self.opened for user in self.users())

    def connections(self) -> int | None:
        """How many users of the class `user` have an established connection, where one can ask."""
        if sys.platform != "linux":
            return None
        return sum(user.connection.established() for user in self.users())

    def figures(self, user: type[RawHttpUser]) -> dict[str, Any]:
        """The counts of the users of a class: requests, failures, all response times."""
        path = user.path().decode()
        kinds, times_ms = self.failure_kinds[path], self.times_ms[path]
        return {
            "requests": len(times_ms),
            "failures": kinds.total(),
            "failure_kinds": dict(kinds),
            **histogram.measured(times_ms),
        }

    def count(
        self,
        name: str,
        response_time_ms: float | None,
        length: int,
        failure: RequestFailed | None,
        context: dict[str, Any],
    ) -> None:
        """Locust keeps times to 0.1 ms and failures by message; we exactly, and by kind."""
        if response_time_ms is not None:  # else it was dropped, and never sent
            self.times_ms[name].append(response_time_ms)
            if failure:
                self.failure_kinds[name][failure.kind] += 1
        self.noted(response_time_ms, failure, context)

    def noted(
        self, response_time_ms: float | None, failure: RequestFailed | None, context: dict[str, Any]
    ) -> None:
        """Keep what a kind of load needs beside that; without a time it was never sent."""


def herd(begins: list[float], spread_s: float) -> str:
    """The fault of users that began at these instants, and should have over `spread_s`.

    Users that begin together come together, again and again: each waits for those
    before it, and the tail of the response times is the generator's making.
    """
    if len(begins) < FEWEST_IN_HERD or spread_s < SHORTEST_SPREAD_S:
        return ""
    phases = sorted(begin % spread_s for begin in begins)
    around = phases + [phase + spread_s for phase in phases]
    most, first = 0, 0
    for last, phase in enumerate(around):
        while phase - around[first] > spread_s / 10:
            first += 1
        most = max(most, last - first + 1)
    if most <= HERD * len(begins):
        return ""
    return f"{most} of {len(begins)} users began within a tenth of {spread_s:g} s: a herd"
