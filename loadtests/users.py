"""Locust users that send the next request when the last one is answered."""

from __future__ import annotations

import re
import time
from argparse import ArgumentTypeError
from contextlib import suppress
from itertools import count
from urllib.parse import quote

import gevent
import locust.stats
from locust import User, task
from locust.user.task import LOCUST_STATE_RUNNING

from loadtests.connection import Connection, RequestFailed

# Locust rounds response times to two significant digits unless it is told
# otherwise; this is its documented hook, though typed for whole milliseconds.
locust.stats.bucket_response_time = lambda response_time_ms: round(response_time_ms, 1)  # type: ignore[assignment,return-value]

GOLDEN_RATIO = 0.6180339887498949


class RawHttpUser(User):
    """A closed-workload user: one connection, one request at a time, no pause.

    Subclasses give `path()`, what to send, and `is_right()`, whether the body
    is the one that was asked for. `in_flight` counts requests of all users of
    the process.

    A user connects, gives the server `settle_s` to accept (a busy event loop
    may accept one connection a turn, and leave the last ones waiting for
    seconds), and begins at an instant of its own within `spread_s`: users that
    start together stay a herd.
    """

    abstract = True
    timeout_s = 60.0
    settle_s = 0.1
    spread_s = 0.0
    pause_after_failure_s = 0.1  # a refused connection takes no time: no busy loop
    in_flight = 0
    _numbers = count()

    def on_start(self) -> None:
        self.number = next(RawHttpUser._numbers)
        self.connection = Connection(self.host or "", self.timeout_s)
        self.host_header = "{}:{}".format(*self.connection.address).encode()
        begin = time.perf_counter() + self.settle_s
        with suppress(OSError):  # the first request will say so
            self.connection.open()
        offset = self.spread_s * (self.number * GOLDEN_RATIO % 1)
        gevent.sleep(max(0.0, begin + offset - time.perf_counter()))

    def on_stop(self) -> None:
        self.connection.close()

    def path(self) -> bytes:
        """The path and query of every request."""
        raise NotImplementedError

    def is_right(self, body: bytes, request_id: bytes) -> bool:
        """Whether `body` answers the request `request_id`."""
        raise NotImplementedError

    @task
    def run_requests(self) -> None:
        """Send one request after the other until Locust stops the user."""
        # A loop here and not one task for each request: between two tasks
        # Locust goes through gevent's hub, which would cost a third of what
        # the generator can do.
        name = self.path().decode()
        head = b"GET %s HTTP/1.1\r\nHost: %s\r\nX-Request-ID: " % (self.path(), self.host_header)
        fire, exchange = self.environment.events.request.fire, self.connection.exchange
        for number in count():
            if self._state != LOCUST_STATE_RUNNING:
                return
            request_id = b"%x-%x" % (self.number, number)
            length, failure = 0, None
            RawHttpUser.in_flight += 1
            started = time.perf_counter()
            try:
                status, body = exchange(b"%s%s\r\n\r\n" % (head, request_id))
                length = len(body)
                if status != 200:
                    failure = RequestFailed(
                        "bad status", f"{status} {body[:200].decode('latin-1')}"
                    )
                elif not self.is_right(body, request_id):
                    failure = RequestFailed("wrong body")
            except RequestFailed as error:
                failure = error
            finally:
                RawHttpUser.in_flight -= 1
            fire(
                request_type="GET",
                name=name,
                response_time=(time.perf_counter() - started) * 1000,
                response_length=length,
                exception=failure,
                context={},
            )
            if failure:
                gevent.sleep(self.pause_after_failure_s)


class DelayUser(RawHttpUser):
    """Asks for `/?delay=…` and checks that delay and id come back."""

    delay = "0.1"

    def on_start(self) -> None:
        try:
            self.spread_s = float(valid_delay(self.delay))
        except ArgumentTypeError:
            self.spread_s = 0.0  # from the web UI's form: the service says what is wrong with it
        self.begin = b'{"delay":%s,"id":"' % self.delay.encode()
        super().on_start()

    def path(self) -> bytes:
        return b"/?delay=" + quote(self.delay).encode()

    def is_right(self, body: bytes, request_id: bytes) -> bool:
        return body == b'%s%s"}' % (self.begin, request_id)


def valid_delay(text: str) -> str:
    """`text` if the contract allows it: 0 to 60, six decimals at most; else ArgumentTypeError."""
    if not re.fullmatch(r"(0|[1-9][0-9]?)(\.[0-9]{1,6})?", text) or float(text) > 60:
        raise ArgumentTypeError(f"must be a number from 0 to 60, such as 0.1, not {text!r}")
    return text
