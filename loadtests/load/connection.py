"""HTTP/1.1 over one raw socket of a gevent process, with as little between as possible.

Locust's own HTTP clients distort this measurement: they take more CPU than the
services under test, send a request again without saying so when a connection
was dropped, and reconnect for every request above 1023 descriptors.
"""

from __future__ import annotations

import contextlib
import errno
import re
import socket
import weakref
from math import inf
from time import perf_counter
from typing import ClassVar

import gevent
import gevent.monkey
import gevent.socket

from loadtests.load.address import address

READ = 1  # libev's name for "readable"
ESTABLISHED = 1  # Linux's name for the state of a socket that both sides have open
# Resources that this side of a connection has run out of.
EXHAUSTED = {
    errno.EADDRNOTAVAIL: "ports",
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
}

_status_line = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]").match
_content_length = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.I).search
_chunked = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.I).search
_close = re.compile(rb"\AHTTP/1\.0|\r\nconnection:[ \t]*close[ \t]*\r\n", re.I).search

_plain_socket = gevent.monkey.get_original("socket", "socket")


class RequestFailed(Exception):
    """A request without its answer.

    `kind` is `refused`, `reset`, `timeout`, `bad status` or `wrong body`; where this side
    had none left `ports` or `descriptors`; of an open workload also `dropped`, for one that
    was never sent.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind


class Connection:
    """One keep-alive connection that never sends anything twice.

    It is opened by the first exchange, closed by a failed one or when the
    server asks for it, and opened anew by the next. `url` is `http://name:port`;
    an answer that takes longer than `timeout_s` is a failure.
    """

    # Heads parsed lately, for all connections: they differ in their date only.
    _heads: ClassVar[dict[bytes, tuple[int, int, bool]]] = {}
    _all: ClassVar[weakref.WeakSet[Connection]] = weakref.WeakSet()
    _reaper: ClassVar[gevent.Greenlet | None] = None

    def __init__(self, url: str, timeout_s: float) -> None:
        self.address = address(url)
        self.timeout_s = timeout_s
        self._deadline = inf
        self._socket: socket.socket | None = None
        self._buffer = bytearray()
        self._wait = gevent.get_hub().wait

    def exchange(self, request: bytes) -> tuple[int, bytes | bytearray]:
        """Send `request`, return the status and body of its answer; raises RequestFailed.

        A body that comes in pieces is good until the next exchange.
        """
        self._deadline = perf_counter() + self.timeout_s
        connecting = False
        try:
            if self._socket is None:
                connecting = True
                self.open()
                connecting = False
            assert self._socket is not None
            if self._socket.send(request) != len(request):
                raise RequestFailed("reset", "the server does not read")
            return self._answer()
        except RequestFailed:
            self.close()
            raise
        except OSError as error:
            late = isinstance(error, TimeoutError) or perf_counter() >= self._deadline
            self.close()
            if late:
                raise self._timeout() from None
            kind = EXHAUSTED.get(error.errno or 0) or ("refused" if connecting else "reset")
            raise RequestFailed(kind, error.strerror or "") from None
        finally:
            self._deadline = inf

    def close(self) -> None:
        """Close it; the next exchange opens a new one."""
        if self._socket is not None:
            self._readable.close()
            self._socket.close()
            self._socket = None

    def open(self) -> None:
        """Connect; OSError where that fails.

        The bare socket is taken out of gevent's, whose `recv` asks the system
        first and waits when there is nothing yet, as there never is here;
        waiting first saves a call and an exception.
        """
        connection = gevent.socket.create_connection(self.address, self.timeout_s)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = _plain_socket(fileno=connection.detach())
        self._socket.setblocking(False)
        self._readable = gevent.get_hub().loop.io(self._socket.fileno(), READ)
        Connection._all.add(self)
        if Connection._reaper is None:
            Connection._reaper = gevent.spawn(_end_late_exchanges)

    def is_open(self) -> bool:
        """Whether the server has left it open, and sent nothing that nobody asked for."""
        if self._socket is None:
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def established(self) -> bool:
        """Whether the system says so; an exchange in progress does not notice the question.

        Only Linux can be asked.
        """
        if self._socket is None:
            return False
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED

    def _answer(self) -> tuple[int, bytes | bytearray]:
        data = self._receive(b"")
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive(data)
        head = data[: end + 2]
        status, length, keep_alive = self._heads.get(head) or self._parse(head)
        body: bytes | bytearray = data[end + 4 :]
        if length < 0:
            body = self._chunks(data[end + 4 :])
        elif len(body) < length:
            body = self._whole(data[end + 4 :], length)
        elif len(body) > length:
            raise RequestFailed("wrong body", "longer than its Content-Length")
        if not keep_alive:
            self.close()
        return status, body

    def _receive(self, sofar: bytes) -> bytes:
        """The next bytes of an answer of which `sofar` has come."""
        assert self._socket is not None
        while True:
            self._wait(self._readable)
            try:
                data = self._socket.recv(65536)
            except BlockingIOError:
                continue
            if data:
                return data
            raise self._closed("a part" if sofar else "none")

    def _whole(self, body: bytes, length: int) -> bytearray:
        """The body of `length` bytes of which `body` has come.

        Large bodies cost memory that is new to the process, page by page, unless
        they share one buffer.
        """
        assert self._socket is not None
        if len(self._buffer) != length:
            self._buffer = bytearray(length)
        have = len(body)
        with memoryview(self._buffer) as buffer:
            buffer[:have] = body
            while have < length:
                self._wait(self._readable)
                try:
                    received = self._socket.recv_into(buffer[have:])
                except BlockingIOError:
                    continue
                if not received:
                    raise self._closed("a part")
                have += received
        return self._buffer

    def _chunks(self, data: bytes) -> bytes:
        """The body of a chunked answer, of which `data` has come so far."""
        body = b""
        while True:
            while (end := data.find(b"\r\n")) < 0:
                data += self._receive(b"head")
            try:
                size = int(data[:end].partition(b";")[0], 16)
            except ValueError:
                raise RequestFailed("wrong body", "not the chunks it announced") from None
            while len(data) < end + 2 + size + 2:
                data += self._receive(b"head")
            if not size:  # trailers are not read: nobody here sends any
                return body
            body += data[end + 2 : end + 2 + size]
            data = data[end + 2 + size + 2 :]

    def _parse(self, head: bytes) -> tuple[int, int, bool]:
        """Status, Content-Length (-1: chunked) and whether the connection stays open."""
        status, length = _status_line(head), _content_length(head)
        if not status or not (length or _chunked(head)):
            raise RequestFailed("bad status", f"not an answer we can read: {head[:80]!r}")
        known = int(status[1]), int(length[1]) if length else -1, not _close(head)
        if len(self._heads) > 1000:
            self._heads.clear()
        self._heads[head] = known
        return known

    def _closed(self, part: str) -> RequestFailed:
        if perf_counter() >= self._deadline:
            return self._timeout()
        return RequestFailed("reset", f"closed after {part} of the answer")

    def _timeout(self) -> RequestFailed:
        return RequestFailed("timeout", f"no answer within {self.timeout_s:g} s")


def _end_late_exchanges() -> None:
    """Shut down the sockets whose answer is late: one timer for all, not one for each request."""
    while True:
        gevent.sleep(0.1)
        now = perf_counter()
        for connection in list(Connection._all):
            if connection._deadline <= now and connection._socket is not None:
                with contextlib.suppress(OSError):  # the server was quicker
                    connection._socket.shutdown(socket.SHUT_RDWR)
