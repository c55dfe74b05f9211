"""An application of the standard library: `GET /orders/1` after a call to its upstream.

    HOST=… PORT=… UPSTREAM=… python plain.py [slots=N] [fails=N] [calls=N] [delay=S]

No more than `slots` requests are worked on at a time, each `fails`-th is a 503, each makes so
many `calls`. Without an UPSTREAM it waits itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from itertools import count
from urllib.parse import urlsplit

GIVEN = dict(word.split("=") for word in sys.argv[1:])
SLOTS = asyncio.Semaphore(int(GIVEN.get("slots", 1000)))
FAILS, CALLS = int(GIVEN.get("fails", 0)), int(GIVEN.get("calls", 1))
UPSTREAM = urlsplit(os.environ.get("UPSTREAM", ""))
numbers = count(1)


class Upstream:
    """A kept connection to the upstream."""

    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def call(self) -> None:
        """One call; without an upstream a wait."""
        if not UPSTREAM.hostname:
            await asyncio.sleep(float(GIVEN.get("delay", 0.1)))
            return
        if self.streams is None:
            self.streams = await asyncio.open_connection(UPSTREAM.hostname, UPSTREAM.port)
        reader, writer = self.streams
        writer.write(b"GET /stock/1 HTTP/1.1\r\nHost: upstream\r\n\r\n")
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        await reader.readexactly(int(head.partition(b"content-length: ")[2].split(b"\r\n")[0]))


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what comes over one connection."""
    upstream = Upstream()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = head.lower().partition("content-length: ")[2].split("\r\n")[0]
            await reader.readexactly(int(length or 0))
            path = head.split(" ")[1]
            if path == "/orders/1":
                async with SLOTS:
                    for _ in range(CALLS):
                        await upstream.call()
            status, body = (200, b'{"order":1}') if path == "/orders/1" else (404, b"{}")
            if FAILS and not next(numbers) % FAILS:
                status = 503
            writer.write(b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)))
            writer.write(body)
    writer.close()
    if upstream.streams:
        upstream.streams[1].close()


async def main() -> None:
    """Serve until killed."""
    address = os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])
    async with await asyncio.start_server(serve, *address, backlog=1000) as server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
