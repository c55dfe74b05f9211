"""Locust users: most send the next request when the last one is answered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from itertools import count
from time import perf_counter
from typing import Any, ClassVar
from urllib.parse import quote

import gevent
import locust.stats
from locust import User, task
from locust.user.task import LOCUST_STATE_RUNNING
from locust.util.rounding import proper_round

from loadtests.load.any_connection import AnyConnection
from loadtests.load.connection import Body, Connection
from loadtests.load.counts import Counts, Recorder
from loadtests.load.failure import RequestFailed
from loadtests.own.asked import Asked

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
    is the one that was asked for. With `new_connections` each request asks to close its own.
    Where there is an `asked` that is the request, of a service that does not know the contract.
    Where there is a `recorder` Locust hears of no request.

    A user connects, gives the server `settle_s` to accept (a busy event loop
    may accept one connection a turn, and leave the last ones waiting for
    seconds), and begins at an instant of its own within `spread_s`: users that
    start together stay a herd.
    """

    abstract = True
    asked: ClassVar[Asked | None] = None
    recorder: ClassVar[Recorder | None] = None
    counts: ClassVar[Counts] = Counts()  # a class has its own
    new_connections: ClassVar[bool] = False
    timeout_s = 60.0
    settle_s = 0.1
    spread_s = 0.0
    pause_after_failure_s = 0.1  # a refused connection takes no time: no busy loop
    began = 0.0  # on perf_counter's clock
    first_ms: float | None = None  # response time of its first request
    served_at = 0.0  # when its last right answer came, on the same clock
    process, processes = 0, 1  # which of the processes that share the load this is, and of how many
    has_failed = False  # its last request
    _numbers = count()

    def __init_subclass__(cls) -> None:
        cls.counts = Counts()

    def on_start(self) -> None:
        own = next(RawHttpUser._numbers)
        self.number = self.process + own * self.processes  # as if all were in one process
        self.id_begins = b"%x.%x-" % (self.process, own)
        self.numbers_sent = count()
        self.connection = self.connect()
        self.name, self.beginning = self.label(), self.head()
        self.tell = self.recorder.count if self.recorder else self._tell_locust
        self.settle()

    def connect(self) -> Connection:
        """A connection for its requests, which the first of them opens."""
        if self.asked:
            return AnyConnection(self.host or "", self.timeout_s, self.asked.method)
        return Connection(self.host or "", self.timeout_s)

    def settle(self) -> None:
        """Connect, and wait for the instant to begin."""
        begin = perf_counter() + self.settle_s
        with suppress(OSError):  # the first request will say so
            self.connection.open()
        offset = self.spread_s * (self.number * GOLDEN_RATIO % 1)
        gevent.sleep(max(0.0, begin + offset - perf_counter()))
        self.began = perf_counter()

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
            yield perf_counter()

    @task
    def run_until_stopped(self) -> None:
        """The only task: Locust calls what is marked so, subclasses cannot replace that."""
        self.run_requests()

    def run_requests(self) -> None:
        """Send one request after the other until Locust stops the user."""
        # A loop here and not one task for each request: between two tasks Locust goes
        # through gevent's hub, which would cost a third of what the generator can do.
        counts, connection = self.counts, self.connection
        # Locust's listeners may wait, which nothing in gevent's hub can; so may `starts`.
        in_turn = self.recorder and type(self).starts is RawHttpUser.starts
        for due in self.starts():
            if self._state != LOCUST_STATE_RUNNING:
                return
            request = self.request(due)
            counts.in_flight += 1
            try:
                if in_turn:
                    connection.exchange_in_turn(request, self.next_request)
                else:
                    self.judge(*connection.exchange(request))
            except RequestFailed as failure:
                self.note(perf_counter(), failure)
            finally:
                counts.in_flight -= 1
            if self.has_failed:
                gevent.sleep(self.pause_after_failure_s)
                if self.asked and not connection.is_open():  # after a 500 servers may close it
                    connection.close()

    def request(self, due: float) -> bytes:
        """The next request, due at this instant on perf_counter's clock."""
        head = self.next_head()
        self.due, self.request_id = due, self.next_id(head)
        return self.message(head, self.request_id)

    def next_head(self) -> bytes:
        """The beginning of the next request; the same for all by default."""
        return self.beginning

    def next_id(self, head: bytes) -> bytes:
        """An id that no other request of the run has, for the one that begins so."""
        return self.id_begins + b"%x" % next(self.numbers_sent)

    def next_request(self, status: int, body: Body) -> bytes | None:
        """Note an answer; the request that follows at once, None where it failed or is the last."""
        self.judge(status, body)
        if self.has_failed or self._state != LOCUST_STATE_RUNNING:
            return None
        return self.request(perf_counter())

    def judge(self, status: int, body: Body) -> None:
        """Note an answer to the request that is due."""
        answered = perf_counter()
        self.note(answered, self.wrong(status, body, self.request_id), len(body))

    def note(self, answered: float, failure: RequestFailed | None, length: int = 0) -> None:
        """Count the request that is due, as answered at this instant or failed."""
        response_time_ms = (answered - self.due) * 1000
        if self.first_ms is None:
            self.first_ms = response_time_ms
        self.has_failed = failure is not None
        if failure is None:
            self.served_at = answered
        self.tell(self.name, response_time_ms, length, failure, {})

    def _tell_locust(
        self,
        name: str,
        response_time_ms: float | None,
        length: int,
        failure: RequestFailed | None,
        context: dict[str, Any],
    ) -> None:
        self.environment.events.request.fire(
            request_type="DROP" if response_time_ms is None else "GET",
            name=name,
            response_time=response_time_ms,
            response_length=length,
            exception=failure,
            context=context,
        )

    def head(self) -> bytes:
        """The beginning of every request; the id and the end of the head follow."""
        if self.asked:
            return self.asked.message((self.host or "").removeprefix("http://"))
        host = self.connection.address.header.encode()
        closes = b"Connection: close\r\n" if self.new_connections else b""
        return b"GET %s HTTP/1.1\r\nHost: %s\r\n%bX-Request-ID: " % (self.path(), host, closes)

    def message(self, head: bytes, request_id: bytes) -> bytes:
        """The request with this id, of which `head` is the beginning."""
        return head if self.asked else head + request_id + b"\r\n\r\n"

    def wrong(self, status: int, body: Body, request_id: bytes) -> RequestFailed | None:
        """The failure that an answer to the request `request_id` is; None where it is right."""
        if self.asked:
            wrong = self.asked.wrong(status, body)
            return RequestFailed(wrong) if wrong else None
        if status != 200:
            kind = "timeout" if status == 504 else "bad status"  # the service's, of the backend
            return RequestFailed(kind, f"{status} {body[:200].decode('latin-1')}")
        return None if self.is_right(body, request_id) else RequestFailed("wrong body")


class DelayUser(RawHttpUser):
    """Asks for `/?delay=…` and checks that delay and id come back."""

    route = OF_A_SERVICE
    delay = "0.1"

    def on_start(self) -> None:
        self.spread_s = self.mean_s()
        self.begin = b'{"delay":%s,"id":"' % self.delay.encode()
        super().on_start()

    @classmethod
    def mean_s(cls) -> float:
        """How long the backend takes for a request."""
        return float(cls.delay)

    @classmethod
    def path(cls) -> bytes:
        return cls.asked.target.encode() if cls.asked else cls.route + quote(cls.delay).encode()

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        return body == self.begin + request_id + b'"}'
