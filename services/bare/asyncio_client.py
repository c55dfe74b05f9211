"""The backend by a short HTTP client on asyncio's own transport, with a parser in C.

A request is one `write` and one Future that the parser's last callback sets. Works in
any asyncio loop.
"""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

import httptools

import contract
from bare.answer import Answer, Stale
from start import SETTINGS


class Backend:
    """A pool of kept connections, at most one for each request in flight."""

    def __init__(self) -> None:
        address = urlsplit(SETTINGS.backend_url)
        self.host, self.port, self.authority = address.hostname, address.port, address.netloc
        self.slots = asyncio.Semaphore(SETTINGS.concurrency)  # the rest are queued
        self.idle: dict[Connection, None] = {}  # the one used last at the end

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {self.authority}\r\n{identity}\r\n"
        request = head.encode()
        try:
            async with self.slots:
                if self.idle:
                    with suppress(Stale):  # closed while it was in the pool: once more
                        return await self.idle.popitem()[0].exchange(request)
                connection = await self.connect()
                return await connection.exchange(request)
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS) from None

    async def connect(self) -> "Connection":
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SETTINGS.backend_timeout_s):
            _, connection = await loop.create_connection(
                lambda: Connection(self.idle), self.host, self.port
            )
        return connection

    async def close(self) -> None:
        for connection in list(self.idle):
            connection.transport.abort()


class Connection(Answer, asyncio.Protocol):
    """One connection, for one request at a time; back in the pool `idle` after each."""

    def __init__(self, idle: "dict[Connection, None]") -> None:
        self.idle = idle
        self.answer: asyncio.Future[bytes] | None = None  # only during an exchange
        self.has_begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    async def exchange(self, request: bytes) -> bytes:
        """The body of the answer; raises Stale, another ConnectionError or TimeoutError."""
        if self.transport.is_closing():
            raise Stale
        self.answer = asyncio.get_running_loop().create_future()
        self.expect()
        self.has_begun = False
        self.transport.write(request)
        self.restart_timeout()
        try:
            body = await self.answer  # here it waits
        except BaseException:  # the rest of the answer would be the next request's
            self.transport.abort()
            raise
        finally:
            self.timer.cancel()
            self.answer = None  # an error in it has this frame in its traceback: a cycle
        if self.is_kept and not self.transport.is_closing():
            self.idle[self] = None
        else:
            self.transport.abort()
        return body

    def restart_timeout(self) -> None:
        """BACKEND_TIMEOUT_S from now on, until more bytes come."""
        loop = asyncio.get_running_loop()
        self.timer = loop.call_later(SETTINGS.backend_timeout_s, self.fail, TimeoutError)

    def fail(self, error: type[Exception]) -> None:
        if self.answer and not self.answer.done():
            self.answer.set_exception(error())

    def data_received(self, data: bytes) -> None:
        if not self.answer or self.answer.done():  # bytes that nobody asked for
            self.transport.abort()
            return
        self.has_begun = True
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.fail(ConnectionError)
            return
        if not self.is_complete:
            self.timer.cancel()
            self.restart_timeout()
        elif self.is_good():
            self.answer.set_result(self.body)
        else:
            self.fail(ConnectionError)

    def connection_lost(self, error: Exception | None) -> None:
        self.idle.pop(self, None)
        self.fail(ConnectionError if self.has_begun else Stale)
        self.parser = None  # a reference cycle
