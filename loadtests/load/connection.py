"""HTTP/1.1 over one raw socket of a gevent process, with as little between as possible.

Locust's own HTTP clients distort this measurement: they take more CPU than the
services under test, send a request again without saying so when a connection
was dropped, and reconnect for every request above 1023 descriptors.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from math import inf
from time import perf_counter
from typing import ClassVar

import gevent

from loadtests.load.failure import EXHAUSTED, RequestFailed, as_text
from loadtests.load.tcp import TcpConnection

UNKNOWN = 0, 0, False  # of a head that was not seen before
USUAL = 4096  # bytes of a usual answer: memory for more costs more than they do
PAUSE = b""  # in the place of a request: it comes later

_status_line = re.compile(rb"HTTP/1\.[01] (\d{3})[ \r]").match
_content_length = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)[ \t]*\r\n", re.I).search
_chunked = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.I).search
_close = re.compile(rb"\AHTTP/1\.0|\r\nconnection:[ \t]*close[ \t]*\r\n", re.I).search

Body = bytes | bytearray


class Connection(TcpConnection):
    """One keep-alive connection that never sends anything twice.

    It is opened by the first exchange, closed by a failed one or when the
    server asks for it, and opened anew by the next. `url` is `http://name:port`;
    an answer that takes longer than `timeout_s` is a failure.
    """

    # Heads parsed lately, for all connections: they differ in their date only.
    _heads: ClassVar[dict[bytes, tuple[int, int, bool]]] = {}

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(url, timeout_s)
        self._buffer = bytearray()

    def exchange(self, request: bytes) -> tuple[int, Body]:
        """Send `request`, return the status and body of its answer; raises RequestFailed.

        A body that comes in pieces is good until the next exchange.
        """
        try:
            self._send(request)
            return self._answer(self._receive(b""))
        except (RequestFailed, OSError) as error:
            raise self._failure(error) from None
        finally:
            self._deadline = inf

    def exchange_in_turn(
        self, request: bytes, answered: Callable[[int, Body], bytes | None]
    ) -> None:
        """Exchange `request`, then each that `answered(status, body)` returns, until it is None.

        Every exchange is as one of `exchange`, but two switches of greenlets cheaper: where it
        can, gevent's hub calls `answered`, which therefore must not wait for anything. Raises
        RequestFailed of the first that fails. After a PAUSE `go_on` sends the next request; a
        connection that has something to read meanwhile, as its end, is left to the next exchange.
        """
        following: bytes | None = request
        while following is not None:
            try:
                if following:
                    self._send(following)
                elif self._socket is None:
                    return
                first = self._receive_in_hub(answered)
                if first is None:
                    return
                status, body = self._answer(first)
            except (RequestFailed, OSError) as error:
                raise self._failure(error) from None
            finally:
                self._deadline = inf
            following = answered(status, body)

    def go_on(self, request: bytes) -> None:
        """Send `request` after a pause; where that fails, exchange_in_turn raises it."""
        try:
            self._send(request)
        except (RequestFailed, OSError) as error:
            self._readable.stop()  # or the same failure would be read as well
            gevent.get_hub().loop.run_callback(self._waiting.throw, error)

    def _send(self, request: bytes) -> None:
        self._deadline = perf_counter() + self.timeout_s
        if self._socket is None:
            self.open()
        assert self._socket is not None
        if self._socket.send(request) != len(request):
            raise RequestFailed("reset", "the server does not read")

    def _receive_in_hub(self, answered: Callable[[int, Body], bytes | None]) -> bytes | None:
        """Have the hub read answers and send what follows; None when nothing does.

        It can do so with an answer of 200 that is there as a whole, below a head that was seen
        before, on a connection that stays. The first bytes of any other are returned.
        """
        assert self._socket is not None
        receive, send, known = self._socket.recv, self._socket.send, self._heads.get
        self._waiting = waiting = gevent.getcurrent()

        def read() -> None:
            try:
                if self._deadline == inf:  # a pause
                    waiting.switch(None)
                    return
                try:
                    data = receive(USUAL)
                except BlockingIOError:
                    return
                first: bytes | None = data
                end = data.find(b"\r\n\r\n") + 4
                status, length, keep_alive = known(data[: end - 2], UNKNOWN)
                if status == 200 and keep_alive and len(data) - end == length:
                    request = answered(status, data[end:])
                    if request:
                        self._deadline = perf_counter() + self.timeout_s
                        if send(request) != len(request):
                            raise RequestFailed("reset", "the server does not read")
                        return
                    self._deadline = inf
                    if request is not None:
                        return
                    first = None
            except BaseException as error:  # belongs to who waits, whatever it is
                waiting.throw(error)
                return
            waiting.switch(first)

        # It stays with the loop from answer to answer: to begin to watch is a call of the system.
        self._readable.start(read)
        try:
            first: bytes | None = gevent.get_hub().switch()
        finally:
            self._readable.stop()
        if first == b"":
            raise self._closed("none")
        return first

    def _answer(self, data: bytes) -> tuple[int, Body]:
        while (end := data.find(b"\r\n\r\n")) < 0:
            data += self._receive(data)
        head = data[: end + 2]
        status, length, keep_alive = self._heads.get(head) or self._parse(head)
        body: Body = data[end + 4 :]
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
            raise RequestFailed("bad status", f"not an answer we can read: {as_text(head, 80)}")
        known = int(status[1]), int(length[1]) if length else -1, not _close(head)
        if len(self._heads) > 1000:
            self._heads.clear()
        self._heads[head] = known
        return known

    def _failure(self, error: RequestFailed | OSError) -> RequestFailed:
        """Close it; the failure that an error of an exchange means."""
        connecting = self._socket is None
        self.close()
        if isinstance(error, RequestFailed):
            return error
        if isinstance(error, TimeoutError) or perf_counter() >= self._deadline:
            return self._timeout()
        kind = EXHAUSTED.get(error.errno or 0) or ("refused" if connecting else "reset")
        return RequestFailed(kind, error.strerror or "")

    def _closed(self, part: str) -> RequestFailed:
        if perf_counter() >= self._deadline:
            return self._timeout()
        return RequestFailed("reset", f"closed after {part} of the answer")

    def _timeout(self) -> RequestFailed:
        return RequestFailed("timeout", f"no answer within {self.timeout_s:g} s")
