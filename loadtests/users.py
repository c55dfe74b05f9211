"""Locust users over raw gevent sockets.

Locust's own HTTP users distort this measurement: they take more CPU than the
services under test, send a request again without saying so when a connection
was dropped, and reconnect for every request above 1023 descriptors.
"""

from __future__ import annotations

import re
import time
from argparse import ArgumentTypeError
from itertools import count
from urllib.parse import quote, urlsplit

import gevent
import gevent.socket
import locust.stats
from locust import User, task
from locust.user.task import LOCUST_STATE_RUNNING

# Locust rounds response times to two significant digits unless it is told
# otherwise; this is its documented hook.
locust.stats.bucket_response_time = lambda response_time_ms: round(response_time_ms, 1)

_status_line = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]").match
_content_length = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.I).search
_chunked = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.I).search
_close = re.compile(rb"\r\nconnection:[ \t]*close[ \t]*\r\n", re.I).search

GOLDEN_RATIO = 0.6180339887498949


class RequestFailed(Exception):
    """A request without its answer.

    `kind` is `refused`, `reset`, `timeout`, `bad status` or `wrong body`.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class Connection:
    """One keep-alive HTTP/1.1 connection that never sends anything twice.

    It is opened by the first exchange, closed by a failed one or when the
    server asks for it, and opened anew by the next.
    """

    _heads: dict[bytes, tuple[int, int, bool]] = {}  # what was parsed lately, for all connections

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme != "http" or not parts.hostname:
            raise ValueError(f"the host must look like http://name:port, not {url!r}")
        self.address = (parts.hostname, parts.port or 80)
        self.timeout_s = timeout_s
        self._socket: gevent.socket.socket | None = None

    def exchange(self, request: bytes) -> tuple[int, bytes]:
        """Send `request`, return the status and body of its answer; raises RequestFailed."""
        try:
            connection = self._socket or self._open()
            if connection.send(request) != len(request):
                raise RequestFailed("reset", "the server does not read")
            data = connection.recv(65536)
            while (end := data.find(b"\r\n\r\n")) < 0:
                data += self._more(connection, data)
            status, length, keep_alive = self._head(data[: end + 2])
            body = data[end + 4 :]
            if length < 0:
                body = self._chunks(connection, body)
            while len(body) < length:
                body += self._more(connection, data)
            if len(body) > length >= 0:
                raise RequestFailed("wrong body", "longer than its Content-Length")
            if not keep_alive:
                self.close()
            return status, body
        except RequestFailed:
            self.close()
            raise
        except TimeoutError:
            self.close()
            raise RequestFailed("timeout", f"no answer within {self.timeout_s:g} s") from None
        except OSError as error:
            refused = self._socket is None
            self.close()
            raise RequestFailed("refused" if refused else "reset", error.strerror or "") from None

    def close(self) -> None:
        """Close it; the next exchange opens a new one."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _open(self) -> gevent.socket.socket:
        connection = gevent.socket.create_connection(self.address, self.timeout_s)
        connection.setsockopt(gevent.socket.IPPROTO_TCP, gevent.socket.TCP_NODELAY, 1)
        self._socket = connection
        return connection

    @staticmethod
    def _more(connection: gevent.socket.socket, sofar: bytes) -> bytes:
        data: bytes = connection.recv(65536)
        if not data:
            raise RequestFailed("reset", f"closed after {'a part' if sofar else 'none'} of the answer")
        return data

    def _chunks(self, connection: gevent.socket.socket, data: bytes) -> bytes:
        """The body of a chunked answer, of which `data` has come so far."""
        body = b""
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += self._more(connection, data)
            try:
                size = int(data[:end].partition(b";")[0], 16)
            except ValueError:
                raise RequestFailed("wrong body", "not the chunks it announced") from None
            while len(data) < end + 2 + size + 2:
                data += self._more(connection, data)
            if not size:  # trailers are not read: nobody here sends any
                return body
            body += data[end + 2 : end + 2 + size]
            data = data[end + 2 + size + 2 :]

    def _head(self, head: bytes) -> tuple[int, int, bool]:
        """Status, Content-Length (-1: chunked) and whether the connection stays open."""
        known = self._heads.get(head)
        if known is None:
            status, length = _status_line(head), _content_length(head)
            if not status or not (length or _chunked(head)):
                raise RequestFailed("bad status", f"not an answer we can read: {head[:80]!r}")
            known = int(status[1]), int(length[1]) if length else -1, not _close(head)
            if len(self._heads) > 1000:  # the Date header makes new ones all the time
                self._heads.clear()
            self._heads[head] = known
        return known


class RawHttpUser(User):
    """A closed-workload user: one connection, one request at a time, no pause.

    Subclasses give `path()`, what to send, and `is_right()`, whether the body
    is the one that was asked for. `in_flight` counts requests of all users of
    the process; the first requests are spread over `spread_s`, or all users
    would stay the herd as which they started.
    """

    abstract = True
    timeout_s = 60.0
    spread_s = 0.0
    pause_after_failure_s = 0.1  # a refused connection takes no time: no busy loop
    in_flight = 0
    _numbers = count()

    def on_start(self) -> None:
        self.number = next(RawHttpUser._numbers)
        self.connection = Connection(self.host or "", self.timeout_s)
        self.host_header = "{}:{}".format(*self.connection.address).encode()
        gevent.sleep(self.spread_s * (self.number * GOLDEN_RATIO % 1))

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
                    failure = RequestFailed("bad status", f"{status} {body[:200].decode('latin-1')}")
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
    """`text` if the contract allows it, 0 to 60 with at most six decimals; ArgumentTypeError otherwise."""
    if not re.fullmatch(r"(0|[1-9][0-9]?)(\.[0-9]{1,6})?", text) or float(text) > 60:
        raise ArgumentTypeError(f"must be a number of seconds from 0 to 60, such as 0.1, not {text!r}")
    return text
