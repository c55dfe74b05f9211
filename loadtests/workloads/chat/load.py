"""One of many connections says something at a steady rate, and all others must hear it: `/chat`."""

from __future__ import annotations

from collections import Counter
from time import perf_counter, process_time
from typing import Any

import gevent

from loadtests.load import base, histogram
from loadtests.load.base import StepFailed
from loadtests.load.connection import Connection
from loadtests.load.crowd import Crowd
from loadtests.load.websocket import WebSocket, frame_of

PATH = "/chat"
AT_REST_S = 0.2  # after the window has opened: meanwhile memory is read
LATE_S = 5.0  # what has not come so long after the window is lost
# A generator that computes for more than this of a broadcast is what the others wait for.
MOST_OWN = 0.85


class Room:
    """Counts what its members hear of messages that are numbered from 1.

    Each has to hear each once, whole and in turn; `hear` is for the one that is
    on its way, without a look at what is in it.
    """

    def __init__(self) -> None:
        self.number = 0
        self.expected = b""
        self.sent_at: list[float] = [0.0]
        self.begin()

    def begin(self) -> None:
        """Count from zero; what was sent before does not count any more."""
        self.before = self.number
        self.times_s: list[float] = []  # of every delivery, since its message was sent
        self.failures: Counter[str] = Counter()
        self.ends: Counter[str] = Counter()
        self.left = 0  # of the members that the message on its way has still to reach
        self.own_s = self.took_s = 0.0  # of broadcasts: the CPU time of this process, and all

    def say(self, sender: WebSocket, others: int) -> None:
        """Have `sender` send the next message to `others`; OSError where it cannot."""
        self.number += 1
        self.left, self.cpu_s = others, process_time()
        sender.last = self.number  # it must not hear it
        self.expected = frame_of(_text(self.number))
        self.sent_at.append(perf_counter())
        sender.send_text(_text(self.number))

    def hear(self, who: WebSocket, at: float) -> None:
        """The message on its way."""
        number = self.number
        if who.last < number:
            who.last = number
            self.times_s.append(at - self.sent_at[number])
            self._count_down(at)
        else:
            self.failures["repeated"] += 1

    def hear_text(self, who: WebSocket, text: bytes, at: float) -> None:
        """Some message."""
        number = int(text[:12]) if text[:12].isdigit() else 0
        if not 0 < number <= self.number or text != _text(number):
            self.failures["wrong body"] += 1
        elif number <= who.last:
            self.failures["repeated"] += 1
        else:
            who.last = number
            if number > self.before:
                self.times_s.append(at - self.sent_at[number])
            if number == self.number:
                self._count_down(at)

    def own_share(self) -> float | None:
        """The share of the broadcasts' time in which this process computed."""
        return round(self.own_s / self.took_s, 3) if self.took_s else None

    def _count_down(self, at: float) -> None:
        self.left -= 1
        if not self.left:
            self.own_s += process_time() - self.cpu_s
            self.took_s += at - self.sent_at[self.number]

    def hear_end(self, who: WebSocket, reason: str) -> None:
        """A member that is gone."""
        self.ends[reason] += 1


class Load(base.Load):
    """Connections that listen, and the first of them that also sends."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.room = Room()
        self.crowd: Crowd[WebSocket] = Crowd(lambda: self._member(plan["host"]))
        self.rate = 0.0
        self.warmup_s: float = plan["profile"]["warmup_s"]

    def check(self, service: Connection) -> None:
        """Two of them: one hears the other. That also loads what a service loads late."""
        try:
            self.crowd.grow(2)
        except StepFailed as error:
            raise ValueError(f"{PATH}: {error}") from None
        self.room.say(self.crowd.members[0], 1)
        self._wait(1)
        if len(self.room.times_s) != 1:
            raise ValueError(f"{PATH}: a message did not get through to the other connection")
        self.crowd.clear()
        self.room.begin()

    def prepare(self, step: dict[str, Any]) -> None:
        """Let the missing ones join, and the service rest."""
        self.crowd.members = [member for member in self.crowd.members if member.open]
        self.crowd.grow(step["idle_connections"])
        self.rate = step["rate_rps"] or 0.0
        gevent.sleep(self.warmup_s)

    def begin(self) -> None:
        """Count from zero."""
        self.room.begin()

    def run(self, window_s: float) -> None:
        """Send as many messages as the rate says, evenly, and none in the first instants."""
        opened = perf_counter()
        messages = round(self.rate * window_s)
        for number in range(messages):
            due = opened + AT_REST_S + (number + 0.5) * (window_s - AT_REST_S) / messages
            gevent.sleep(max(0.0, due - perf_counter()))
            try:
                self.room.say(self.crowd.members[0], len(self.crowd.members) - 1)
            except OSError as error:
                raise StepFailed(f"the sender could not send: {error}") from None
        gevent.sleep(max(0.0, opened + window_s - perf_counter()))

    def end(self) -> dict[str, Any]:
        """The deliveries: each message to everyone but the sender."""
        room, members = self.room, len(self.crowd.members)
        unfinished = self._expected() - len(room.times_s)
        self._wait(self._expected())
        kinds = {"lost": self._expected() - len(room.times_s), **room.failures}
        kinds = {kind: times for kind, times in kinds.items() if times}
        gone = ", ".join(f"{times}: {reason}" for reason, times in room.ends.items())
        own = room.own_share()
        problems = []
        if gone:
            problems.append(f"{room.ends.total()} of {members} connections did not last ({gone})")
        if (own or 0) > MOST_OWN:
            problems.append(f"the generator itself took {own:.0%} of the time of the deliveries")
        return {
            "requests": self._expected(),
            "failures": min(self._expected(), sum(kinds.values())),
            "failure_kinds": kinds,
            "unfinished": unfinished,
            **histogram.measured([time_s * 1000 for time_s in room.times_s]),
            "broadcast_cpu": own,
            "problems": problems,
        }

    def _expected(self) -> int:
        return (self.room.number - self.room.before) * (len(self.crowd.members) - 1)

    def _wait(self, deliveries: int) -> None:
        deadline = perf_counter() + LATE_S
        while len(self.room.times_s) < deliveries and perf_counter() < deadline:
            gevent.sleep(0.01)

    def _member(self, host: str) -> WebSocket:
        member = WebSocket(host, PATH, self.room)
        member.last = self.room.number
        return member


def _text(number: int) -> bytes:
    return b"%012d%s" % (number, b"." * 52)
