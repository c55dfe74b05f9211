"""Locust users whose requests arrive at a rate, whatever the answers do: an open workload."""

from __future__ import annotations

import logging
import random
import re
import resource
import time
from argparse import ArgumentTypeError
from time import perf_counter
from typing import ClassVar

import gevent
from locust.user.task import LOCUST_STATE_RUNNING

from loadtests.load.alarm import Alarm
from loadtests.load.connection import PAUSE, Body
from loadtests.load.failure import RequestFailed
from loadtests.load.users import GOLDEN_RATIO, RawHttpUser

ARRIVALS = ("poisson", "even")
# A request due sooner after the last one waits so long: at 6000/s it saves a third of the CPU.
TICK_S = 0.0005
NOTICE_S = 0.05  # how soon a user notices that its rate has changed, or that it has to stop
LATE_S = 0.005  # a start that lags behind more than this was late
IDLE_S = 0.5  # after so long the server may have closed a connection
SPARE_DESCRIPTORS = 200  # of Locust, Python, and connections of others


class OpenUser(RawHttpUser):
    """A stream of arrivals, `rate_rps` a second: at random as Poisson's are, or evenly.

    `rng` draws the gaps of those at random: with the same seed they are the same again.

    Response times count from the instant at which a request was due. From the
    one at which it was sent they count in the event's `context["sent_ms"]`; the
    difference is the start lag, the generator's own. Requests that are due
    together, or less than `TICK_S` apart, are sent together, over as many
    connections as it takes: the one that was used last comes first.

    Where `most_in_flight` of the class are in flight in the process, or as many
    as its descriptors allow, an arrival is not sent: it counts as a failure of the
    kind `dropped`, in a row of its own, type DROP, of Locust's statistics.

    `rate_rps` may change at any time, and be 0 for a while; where it is None the
    user is a closed one. In a list of bases it comes after what is to arrive.
    """

    abstract = True
    rate_rps: float | None = None
    arrivals = ARRIVALS[0]
    rng: ClassVar[random.Random] = random.Random()
    most_in_flight = 10_000
    worker: ClassVar[type[Worker]]  # below

    def settle(self) -> None:
        if self.rate_rps is None:
            super().settle()
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._most = min(self.most_in_flight, files - SPARE_DESCRIPTORS)
        self._dropped = RequestFailed("dropped", f"{self._most} were in flight")
        self.late = 0
        self._workers: list[Worker] = []
        self.idle: list[Worker] = []

    def on_stop(self) -> None:
        if self.rate_rps is not None:
            self.counts.in_flight -= self._busy()
            gevent.killall([worker.greenlet for worker in self._workers])
            self._workers, self.idle = [], []
        super().on_stop()

    def run_requests(self) -> None:
        """Send what is due until Locust stops the user, then wait for the answers."""
        if self.rate_rps is None:
            super().run_requests()
            return
        alarm = Alarm()
        try:
            self._run_arrivals(alarm)
        finally:
            alarm.close()
            self._warn_if_late()
        while self._busy():
            gevent.sleep(0.01)

    def _run_arrivals(self, alarm: Alarm) -> None:
        due = perf_counter() + self._first_gap_s()
        while self._state == LOCUST_STATE_RUNNING:
            now = perf_counter()
            if not self.rate_rps:
                due = now + NOTICE_S
            # Late or not, all of them: what an overslept instant hides is what it costs.
            while due <= now:
                self._arrive(due)
                due += self._gap_s()
            alarm.sleep_until(min(max(due, now + TICK_S), now + NOTICE_S))

    def _first_gap_s(self) -> float:
        """Users must not arrive together, in whatever process and at whatever time they start."""
        if not self.rate_rps:
            return 0.0
        gap_s = self._gap_s()
        if self.arrivals == "poisson":
            return gap_s
        return (self.number * GOLDEN_RATIO * gap_s - time.time()) % gap_s  # a clock of all of them

    def _gap_s(self) -> float:
        """The time from one arrival to the next."""
        assert self.rate_rps
        if self.arrivals == "poisson":
            return self.rng.expovariate(self.rate_rps)
        return 1 / self.rate_rps

    def _arrive(self, due: float) -> None:
        """Send a request, at the latest as soon as this greenlet waits, or drop it."""
        self.counts.arrived += 1
        head = self.next_head()  # before it may be dropped: the next one's is the same then
        if self.counts.in_flight >= self._most:
            self.tell(self.name, None, 0, self._dropped, {})
            return
        self.counts.in_flight += 1
        if self.idle:
            self.idle.pop().take(due, head)
        else:
            self._workers.append(self.worker(self, due, head))

    def _busy(self) -> int:
        """How many of its requests are in flight."""
        return len(self._workers) - len(self.idle)

    def _warn_if_late(self) -> None:
        sent = next(self.numbers_sent)
        if self.late > 0.01 * sent:
            logging.getLogger(__name__).warning(
                "%.0f %% of the requests were sent more than %g ms late: "
                "this process has more to do than it can; use more of them, or a lower rate",
                *(100 * self.late / sent, LATE_S * 1000),
            )


class Worker:
    """A connection of a user, and the request that is in flight on it.

    Where the bench counts, gevent's hub does all there is to do for a usual answer. The greenlet
    connects, reads unusual answers, and tells Locust, whose listeners may wait.
    """

    def __init__(self, user: OpenUser, due: float, head: bytes) -> None:
        self.user, self.connection = user, user.connect()
        self.ended = perf_counter()
        self.in_turn = False  # a request needs no greenlet
        self.greenlet = gevent.spawn(self._work, due, head)

    def take(self, due: float, head: bytes) -> None:
        """Send the request that was due then; it is idle."""
        if self.in_turn:
            self.connection.go_on(self._request(due, head))
        else:
            gevent.get_hub().loop.run_callback(self.greenlet.switch, (due, head))

    def _work(self, due: float, head: bytes) -> None:
        connection, hub = self.connection, gevent.get_hub()
        try:
            while True:
                if perf_counter() - self.ended > IDLE_S and not connection.is_open():
                    connection.close()
                request = self._request(due, head)
                try:
                    if self.user.recorder:
                        self.in_turn = True
                        connection.exchange_in_turn(request, self._answered)
                    else:
                        self._answered(*connection.exchange(request))
                except RequestFailed as failure:
                    self._note(perf_counter(), failure)
                finally:
                    self.in_turn = False
                due, head = hub.switch()
        finally:
            connection.close()

    def _request(self, due: float, head: bytes) -> bytes:
        self.due, self.head, self.id = due, head, self.user.next_id(head)
        self.sent = perf_counter()
        self.user.late += self.sent - due > LATE_S
        return self.user.message(head, self.id)

    def _answered(self, status: int, body: Body) -> bytes:
        self._note(perf_counter(), self.user.wrong(status, body, self.id), len(body))
        return PAUSE

    def _note(self, ended: float, failure: RequestFailed | None, length: int = 0) -> None:
        user, self.ended = self.user, ended
        user.counts.in_flight -= 1
        user.idle.append(self)
        context = {"sent_ms": (ended - self.sent) * 1000, "head": self.head}
        user.tell(user.name, (ended - self.due) * 1000, length, failure, context)


OpenUser.worker = Worker


def valid_rate(text: str) -> str:
    """`text` if it is empty or a number from 0 to 100000; else ArgumentTypeError."""
    if text and not (re.fullmatch(r"[0-9]{1,6}(\.[0-9]{1,6})?", text) and float(text) <= 100_000):
        raise ArgumentTypeError(f"must be a number from 0 to 100000, such as 250, not {text!r}")
    return text
