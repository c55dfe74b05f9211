"""Servers that answer as a test wants, on a thread of their own, and remember what reached them."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from loadtests.runtime import certificate


@dataclass
class Request:
    """One request: `connection` and `number` count all connections and requests from 1."""

    target: str
    id: str
    connection: int
    number: int
    first: bool  # on its connection
    last: bool = False  # as it says itself
    at: float = field(default_factory=time.perf_counter)

    @property
    def delay(self) -> str:
        """The delay it asks for, as written; 0 where it asks for none."""
        return parse_qs(urlsplit(self.target).query).get("delay", ["0"])[0]

    def body(self) -> bytes:
        """The body that the contract requires."""
        return f'{{"delay":{self.delay},"id":"{self.id}"}}'.encode()


Answer = Callable[[Request, asyncio.StreamWriter], Awaitable[None]]


def response(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """A whole answer with a Content-Length."""
    return (
        "\r\n".join(
            [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
        ).encode()
        + body
    )


async def correct(request: Request, writer: asyncio.StreamWriter) -> None:
    """Answer as the contract says, without waiting."""
    writer.write(response(request.body()))


async def after_delay(request: Request, writer: asyncio.StreamWriter) -> None:
    """Answer as the contract says."""
    await asyncio.sleep(float(request.delay))
    writer.write(response(request.body()))


def reset(writer: asyncio.StreamWriter) -> None:
    """Break the connection off."""
    peer = writer.get_extra_info("socket")
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


def chunked(body: bytes) -> bytes:
    """A whole answer in two chunks."""
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"5\r\n%s\r\n%x;note=x\r\n%s\r\n0\r\n\r\n" % (body[:5], len(body) - 5, body[5:])


async def in_pieces(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Send `data` in many small packets."""
    peer = writer.get_extra_info("socket")
    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for start in range(0, len(data), 7):
        writer.write(data[start : start + 7])
        await asyncio.sleep(0.001)


def tls_of(folder: Path, *names: str, address: str) -> tuple[ssl.SSLContext, str]:
    """A server's side of TLS with a new certificate for these names, and that as PEM."""
    key, text = certificate.signed(*names, address=address)
    file = folder / "certificate-and-key.pem"
    file.write_text(text + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, text


class Server:
    """Listens on a free port of 127.0.0.1 while it is entered, where there is a context by TLS."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.answer, self.tls = answer, tls
        self.requests: list[Request] = []
        self.connections = 0
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def ids(self) -> list[str]:
        """The ids of all requests."""
        return [request.id for request in self.requests]

    def __enter__(self) -> Server:
        self._thread.start()
        starting = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=4096, ssl=self.tls)
        self._server = asyncio.run_coroutine_threadsafe(starting, self._loop).result(10)
        scheme = "https" if self.tls else "http"
        self.url = "{}://{}:{}".format(scheme, *self._server.sockets[0].getsockname())
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection, first = self.connections, True
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                request_line, *lines = head.split("\r\n")
                fields = dict(line.lower().split(": ", 1) for line in lines if line)
                request = Request(
                    target=request_line.split(" ")[1],
                    id=fields.get("x-request-id", ""),
                    connection=connection,
                    number=len(self.requests) + 1,
                    first=first,
                    last=fields.get("connection") == "close",
                )
                first = False
                self.requests.append(request)
                await self.answer(request, writer)
        writer.close()
