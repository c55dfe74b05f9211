"""The backend by raw sockets that never block: a Future waits, that of `futures.ready`."""

from contextlib import suppress

from futures import Connection, connected
from tornado.netutil import Resolver

from bare import asyncio_client


class Backend(asyncio_client.Backend):
    """The pool of services/bare, with connections of its own."""

    async def connect(self) -> Connection:
        """A connection to the first of the backend's addresses that takes one."""
        *others, last = await Resolver().resolve(self.host, self.port)
        for address in others:
            with suppress(OSError):
                return Connection(await connected(*address), self.idle)
        return Connection(await connected(*last), self.idle)

    async def close(self) -> None:
        for connection in self.idle:
            connection.sock.close()
