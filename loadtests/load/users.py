"""Locust users: most send the next request when the last one is answered."""

from __future__ import annotations

import random
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from typing import ClassVar
from urllib.parse import quote

import gevent
import locust.stats
from locust import User, task
from locust.user.task import LOCUST_STATE_RUNNING
from locust.util.rounding import proper_round

from loadtests.load.any_connection import AnyConnection
from loadtests.load.connection import Connection, RequestFailed
from loadtests.own.asked import Asked
from services import contract

# Locust rounds response times to two significant digits unless it is told
# otherwise; this is its documented hook, though typed for whole milliseconds.
locust.stats.bucket_response_time = lambda response_time_ms: round(response_time_ms, 1)  # type: ignore[assignment,return-value]
# The lowest and the highest it shows in whole milliseconds, and has no hook.
locust.stats.proper_round = partial(proper_round, digits=1)  # type: ignore[attr-defined]

GOLDEN_RATIO = 0.6180339887498949
# The path and query of a delay, of a service and of the backend itself. Both answer alike.
OF_A_SERVICE, OF_THE_BACKEND = b"/?delay=", b"/delay/"


class RawHttpUser(User):
    """A closed-workload user: one connection, one request at a time, no pause.

    Subclasses give `path()`, what to send, and `is_right()`, whether the body
    is the one that was asked for. `in_flight` counts requests of all users of
    the class in the process. Where there is an `asked` that is the request, of a service that
    does not know the contract.

    A user connects, gives the server `settle_s` to accept (a busy event loop
    may accept one connection a turn, and leave the last ones waiting for
    seconds), and begins at an instant of its own within `spread_s`: users that
    start together stay a herd.
    """

    abstract = True
    asked: ClassVar[Asked | None] = None
    timeout_s = 60.0
    settle_s = 0.1
    spread_s = 0.0
    pause_after_failure_s = 0.1  # a refused connection takes no time: no busy loop
    in_flight = 0
    began = 0.0  # on perf_counter's clock
    first_ms: float | None = None  # response time of its first request
    served_at = 0.0  # when its last right answer came, on the same clock
    process, processes = 0, 1  # which of the processes that share the load this is, and of how many
    _numbers = count()

    def on_start(self) -> None:
        own = next(RawHttpUser._numbers)
        self.number = self.process + own * self.processes  # as if all were in one process
        self.id_begins = b"%x.%x-" % (self.process, own)
        self.connection = self.connect()
        self.settle()

    def connect(self) -> Connection:
        """A connection for its requests, which the first of them opens."""
        if self.asked:
            return AnyConnection(self.host or "", self.timeout_s, self.asked.method)
        return Connection(self.host or "", self.timeout_s)

    def settle(self) -> None:
        """Connect, and wait for the instant to begin."""
        begin = time.perf_counter() + self.settle_s
        with suppress(OSError):  # the first request will say so
            self.connection.open()
        offset = self.spread_s * (self.number * GOLDEN_RATIO % 1)
        gevent.sleep(max(0.0, begin + offset - time.perf_counter()))
        self.began = time.perf_counter()

    def on_stop(self) -> None:
        self.connection.close()

    @classmethod
    def path(cls) -> bytes:
        """The path and query of every request."""
        raise NotImplementedError

    @classmethod
    def label(cls) -> str:
        """The name of its requests in Locust's statistics."""
        return cls.path().decode()

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        """Whether `body` answers the request `request_id`."""
        raise NotImplementedError

    def starts(self) -> Iterator[float]:
        """When each request is due, on perf_counter's clock; comes back when it is."""
        while True:
            yield time.perf_counter()

    @task
    def run_until_stopped(self) -> None:
        """The only task: Locust calls what is marked so, subclasses cannot replace that."""
        self.run_requests()

    def run_requests(self) -> None:
        """Send one request after the other until Locust stops the user."""
        # A loop here and not one task for each request: between two tasks
        # Locust goes through gevent's hub, which would cost a third of what
        # the generator can do.
        kind = type(self)
        name, head, id_begins = self.label(), self.head(), self.id_begins
        fire, ask, connection = self.environment.events.request.fire, self.ask, self.connection
        for number, due in enumerate(self.starts()):
            if self._state != LOCUST_STATE_RUNNING:
                return
            kind.in_flight += 1
            try:
                length, failure = ask(connection, head, b"%s%x" % (id_begins, number))
            finally:
                kind.in_flight -= 1
            answered = time.perf_counter()
            response_time_ms = (answered - due) * 1000
            if not number:
                self.first_ms = response_time_ms
            fire(
                request_type="GET",
                name=name,
                response_time=response_time_ms,
                response_length=length,
                exception=failure,
                context={},
            )
            if failure:
                gevent.sleep(self.pause_after_failure_s)
            else:
                self.served_at = answered

    def head(self) -> bytes:
        """The beginning of every request; the id and the end of the head follow."""
        if self.asked:
            return self.asked.message((self.host or "").removeprefix("http://"))
        host = self.connection.address.header.encode()
        return b"GET %s HTTP/1.1\r\nHost: %s\r\nX-Request-ID: " % (self.path(), host)

    def ask(
        self, connection: Connection, head: bytes, request_id: bytes
    ) -> tuple[int, RequestFailed | None]:
        """Exchange one request for its answer: the body's length, and what was wrong."""
        request = head if self.asked else b"%s%s\r\n\r\n" % (head, request_id)
        try:
            status, body = connection.exchange(request)
        except RequestFailed as error:
            return 0, error
        failure = None
        if self.asked:
            wrong = self.asked.wrong(status, body)
            return len(body), RequestFailed(wrong) if wrong else None
        if status != 200:
            kind = "timeout" if status == 504 else "bad status"  # the service's, of the backend
            failure = RequestFailed(kind, f"{status} {body[:200].decode('latin-1')}")
        elif not self.is_right(body, request_id):
            failure = RequestFailed("wrong body")
        return len(body), failure


class PacedUser(RawHttpUser):
    """One whose requests are due once in `period_s`, whatever the answers do.

    Response times count from when a request was due, so that a slow answer
    shows in those that had to wait for it. Users begin spread over a period, and
    the instants within the periods differ, so that the load of all is even and
    never in step with another's. `rng` draws where in its periods each is: of one seed they
    are there again. In a list of bases it comes after what it paces.
    """

    abstract = True
    period_s = 1.0
    rng: ClassVar[random.Random] = random.Random()

    def on_start(self) -> None:
        self.spread_s = self.period_s
        super().on_start()

    def starts(self) -> Iterator[float]:
        for due in self.instants(time.perf_counter()):
            if (wait_s := due - time.perf_counter()) > 0:
                gevent.sleep(wait_s)
            yield due

    def instants(self, begin: float) -> Iterator[float]:
        """When its requests are due, for one that begins at `begin`."""
        phase = self.rng.random()
        for number in count():
            yield begin + (number + (phase + number * GOLDEN_RATIO) % 1 / 2) * self.period_s


class DelayUser(RawHttpUser):
    """Asks for `/?delay=…` and checks that delay and id come back."""

    route = OF_A_SERVICE
    delay = "0.1"

    def on_start(self) -> None:
        try:
            self.spread_s = float(valid_delay(self.delay))
        except ArgumentTypeError:
            self.spread_s = 0.0  # from the web UI's form: the service says what is wrong with it
        self.begin = b'{"delay":%s,"id":"' % self.delay.encode()
        super().on_start()

    @classmethod
    def path(cls) -> bytes:
        return cls.asked.target.encode() if cls.asked else cls.route + quote(cls.delay).encode()

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        return body == b'%s%s"}' % (self.begin, request_id)


def valid_delay(text: str) -> str:
    """`text` if the contract allows it: 0 to 60, six decimals at most; else ArgumentTypeError."""
    try:
        return contract.checked_delay(text)
    except contract.Problem:
        raise ArgumentTypeError(
            f"must be a number from 0 to 60, such as 0.1, not {text!r}"
        ) from None
