"""The backend by raw sockets that never block: a Future waits.

A Future is a result that is still to come. Whoever has to wait for a socket makes one
and returns it; a callback that the loop calls on the socket's event sets it: `ready`.
That is how a call became asynchronous where no library was.
"""

import asyncio
import os
import socket
from contextlib import suppress
from urllib.parse import urlsplit

import httptools
from tornado.concurrent import Future
from tornado.ioloop import IOLoop
from tornado.netutil import Resolver

import contract
from start import SETTINGS


def ready(peer: socket.socket, events: int) -> Future:
    """A Future that is done when the socket can be read, or written; or fails by TimeoutError.

    `await` adds one thing to it: the coroutine is resumed when the Future is done.
    """
    loop = IOLoop.current()
    future = Future()

    def on_event(*_: object) -> None:
        if not future.done():  # the loop tells of an event until it is dealt with
            future.set_result(None)

    def on_timeout() -> None:
        if not future.done():
            future.set_exception(TimeoutError())

    def on_done(_: Future) -> None:  # also where the waiting was cancelled
        loop.remove_handler(peer)
        loop.remove_timeout(timeout)

    loop.add_handler(peer, on_event, events)
    timeout = loop.call_later(SETTINGS.backend_timeout_s, on_timeout)
    future.add_done_callback(on_done)
    return future


class Backend:
    """A pool of kept connections, at most one for each request in flight."""

    def __init__(self) -> None:
        self.address = urlsplit(SETTINGS.backend_url)
        self.slots = asyncio.Semaphore(SETTINGS.concurrency)  # the rest wait in line
        self.idle: list[socket.socket] = []

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {self.address.netloc}\r\n{identity}\r\n"
        try:
            async with self.slots:
                if self.idle:
                    with suppress(Stale):  # closed while it was in the pool: once more
                        return await self.exchange(self.idle.pop(), head.encode())
                return await self.exchange(await self.connect(), head.encode())
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS) from None
        except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise contract.BackendBroken(SETTINGS) from None

    async def connect(self) -> socket.socket:
        """A connection to the first of the backend's addresses that takes one."""
        failure: OSError | None = None
        for family, address in await Resolver().resolve(self.address.hostname, self.address.port):
            peer = socket.socket(family)
            peer.setblocking(False)
            try:
                peer.connect_ex(address)
                await ready(peer, IOLoop.WRITE)
                if not (error := peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)):
                    return peer
                failure = OSError(error, os.strerror(error))
            except BaseException:
                peer.close()
                raise
            peer.close()
        raise failure

    async def exchange(self, peer: socket.socket, request: bytes) -> bytes:
        """The body of the answer; the connection goes back to the pool if all is well."""
        answer = Answer()
        try:
            peer.sendall(request)  # short: an idle socket takes it whole, or is broken
            while not answer.is_complete:
                await ready(peer, IOLoop.READ)
                data = peer.recv(65536)
                if not data:
                    raise ConnectionResetError
                answer.parser.feed_data(data)
            if answer.number > 1 or answer.parser.get_status_code() != 200:
                raise ConnectionError
        except BaseException as error:
            peer.close()  # the rest of the answer would be the next request's
            if isinstance(error, ConnectionError) and not answer.number:
                raise Stale from None
            raise
        finally:
            answer.parser = None  # a reference cycle
        if answer.is_kept:
            self.idle.append(peer)
        else:
            peer.close()
        return answer.body

    async def close(self) -> None:
        for peer in self.idle:
            peer.close()


class Stale(ConnectionError):
    """The backend closed the connection before anything came back."""


class Answer:
    """What httptools, a parser in C, has read so far."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.number = 0
        self.body = b""
        self.is_complete = False

    def on_message_begin(self) -> None:
        self.number += 1

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.is_kept = self.parser.should_keep_alive()
