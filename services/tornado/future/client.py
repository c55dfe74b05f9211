"""The backend by raw sockets that never block: a Future waits, that of `futures.ready`."""

import asyncio
import socket
from contextlib import suppress
from urllib.parse import urlsplit

from futures import Stale, ask, connected
from httptools import HttpParserError, HttpParserUpgrade
from tornado.netutil import Resolver

import contract
from start import SETTINGS


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
        except (OSError, HttpParserError, HttpParserUpgrade):
            raise contract.BackendBroken(SETTINGS) from None

    async def connect(self) -> socket.socket:
        """A connection to the first of the backend's addresses that takes one."""
        failure: OSError | None = None
        for family, address in await Resolver().resolve(self.address.hostname, self.address.port):
            try:
                return await connected(family, address)
            except OSError as error:
                failure = error
        raise failure

    async def exchange(self, peer: socket.socket, request: bytes) -> bytes:
        """The body of the answer; the connection goes back to the pool if all is well."""
        try:
            answer = await ask(peer, request)
        except BaseException:  # the rest of the answer would be the next request's
            peer.close()
            raise
        if answer.is_kept:
            self.idle.append(peer)
        else:
            peer.close()
        return answer.body

    async def close(self) -> None:
        for peer in self.idle:
            peer.close()
