"""The listening socket: open as a rule, and while a fault lasts closed or with a full queue."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from contextlib import suppress

BACKLOG = 16384
FILLERS = 4  # a backlog of 0 holds one connection; the others wait and are dropped, too


class Door:
    """New connections come through it. `listener` must be bound to a port of its choice."""

    def __init__(
        self, listener: socket.socket, welcome: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self._listener = listener
        self._welcome = welcome
        self._server: asyncio.Server | None = None
        self._fillers: list[socket.socket] = []
        self._opening: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Accept connections."""
        # The loop closes the socket it is given, and this one outlives the loop's server.
        self._server = await asyncio.get_running_loop().create_server(
            self._welcome, sock=self._listener.dup(), backlog=BACKLOG
        )

    def refuse(self) -> None:
        """Have the system refuse connections; the port stays bound (Linux)."""
        self._stop_accepting()
        with suppress(OSError):  # another fault had it so already
            self._listener.shutdown(socket.SHUT_RDWR)

    def fill(self) -> None:
        """Go on listening with a queue that is full: who connects is not heard."""
        self._stop_accepting()
        self._listener.listen(0)
        for _ in range(FILLERS):
            filler = socket.socket(self._listener.family)
            filler.setblocking(False)
            filler.connect_ex(self._listener.getsockname())
            self._fillers.append(filler)

    def reopen(self) -> None:
        """Accept again after `refuse` or `fill`."""
        if self._server is None and self._opening is None:
            self._close_fillers()
            self._listener.listen(BACKLOG)
            self._opening = asyncio.get_running_loop().create_task(self._reopen())

    async def _reopen(self) -> None:
        await self.open()
        self._opening = None

    def close(self) -> None:
        """Accept nothing any more."""
        self._stop_accepting()
        self._close_fillers()
        self._listener.close()

    def _stop_accepting(self) -> None:
        if self._opening:
            self._opening.cancel()
            self._opening = None
        if self._server:
            self._server.close()
            self._server = None

    def _close_fillers(self) -> None:
        while self._fillers:
            self._fillers.pop().close()
