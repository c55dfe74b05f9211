"""A backend that misbehaves on command, and remembers what reached it."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from services.backend import payload
from tests.contract.fake_port import HangUp, Port, pause


@dataclass(frozen=True)
class Call:
    """One request as it arrived: `nth` on its connection, counted from 1."""

    method: str
    target: str
    headers: dict[str, str]
    connection: int
    nth: int

    def body(self) -> bytes:
        """The answer of the real backend."""
        delay, _, size = self.target.removeprefix("/delay/").partition("/")
        return payload.filled(delay, self.request_id, int(size or 0))

    @property
    def request_id(self) -> str:
        """Its X-Request-ID, empty where there is none."""
        return self.headers.get("x-request-id", "")


Behaviour = Callable[[socket.socket, Call], None]
Welcome = Callable[[socket.socket, None], None]


def response(call: Call, status: str = "200 OK", *headers: str) -> bytes:
    """A whole and correct response."""
    body = call.body()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def answer(peer: socket.socket, call: Call) -> None:
    """Answer at once, whatever the delay asked for."""
    peer.sendall(response(call))


def drop(peer: socket.socket, call: Call | None) -> None:
    """Close the connection without an answer."""
    raise HangUp


def reset(peer: socket.socket, call: Call | None) -> None:
    """Reset the connection without an answer."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise HangUp


def silent(peer: socket.socket, call: Call) -> None:
    """Say nothing until the caller hangs up."""
    peer.recv(1)
    raise HangUp


def nothing(peer: socket.socket, call: None) -> None:
    """Wait for the first request."""


def first_only(then: Behaviour) -> Behaviour:
    """Answer the first request of a connection and do `then` with the next."""

    def behave(peer: socket.socket, call: Call) -> None:
        (answer if call.nth == 1 else then)(peer, call)

    return behave


def only(part: Callable[[bytes], bytes], then: Behaviour) -> Behaviour:
    """Send a part of the response, then do `then`."""

    def behave(peer: socket.socket, call: Call) -> None:
        peer.sendall(part(response(call)))
        then(peer, call)

    return behave


def twice(peer: socket.socket, call: Call) -> None:
    """Answer, and in the same breath once more."""
    peer.sendall(response(call) * 2)


def says(data: bytes) -> Behaviour:
    """Send `data` instead of a response, and hang up."""

    def behave(peer: socket.socket, call: Call) -> None:
        peer.sendall(data)
        raise HangUp

    return behave


def has_status(status: str, *headers: str) -> Behaviour:
    """Answer with another status."""

    def behave(peer: socket.socket, call: Call) -> None:
        peer.sendall(response(call, status, *headers))

    return behave


def trickle(pieces: int, pause_s: float) -> Behaviour:
    """Send the response's head in `pieces` with a pause before each, then the body."""

    def behave(peer: socket.socket, call: Call) -> None:
        head, _, body = response(call).partition(b"\r\n\r\n")
        size = len(head) // pieces
        for index in range(pieces):
            pause(peer, pause_s)
            last = index == pieces - 1
            peer.sendall(head[index * size :] if last else head[index * size : (index + 1) * size])
        peer.sendall(b"\r\n\r\n" + body)

    return behave


def late(pause_s: float) -> Behaviour:
    """Answer after a pause."""

    def behave(peer: socket.socket, call: Call) -> None:
        pause(peer, pause_s)
        peer.sendall(response(call))

    return behave


def by_id(chosen: dict[str, Behaviour], otherwise: Behaviour = answer) -> Behaviour:
    """Do with a call what is chosen for its X-Request-ID."""

    def behave(peer: socket.socket, call: Call) -> None:
        chosen.get(call.request_id, otherwise)(peer, call)

    return behave


def by_number(chosen: dict[int, Behaviour], otherwise: Behaviour = answer) -> Behaviour:
    """Do with the call `<id>.<number>` what is chosen for the number."""

    def behave(peer: socket.socket, call: Call) -> None:
        chosen.get(int(call.request_id.rpartition(".")[2]), otherwise)(peer, call)

    return behave


class FakeBackend:
    """`behave` is what it does with each request from now on.

    `welcome` is what it does with each connection before there is a request.
    """

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.forget()
        self._lock = threading.Lock()
        self._in_flight = 0
        self._port = Port(self._serve, host, port)
        self.port = self._port.number
        self.url = f"http://{host}:{self.port}"

    def __enter__(self) -> FakeBackend:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self._port.close()

    def listen(self) -> None:
        """Accept connections."""
        self._port.listen()

    def refuse(self) -> None:
        """Refuse connections and drop those that are open, as if the process had died."""
        self._port.refuse()

    def hang_up(self, abruptly: bool = False) -> None:
        """Close all open connections, with a TCP reset if asked."""
        self._port.hang_up(abruptly)

    def open_connections(self) -> int:
        """How many connections callers hold open."""
        return self._port.open_connections()

    def in_flight(self) -> int:
        """How many requests are being answered."""
        with self._lock:
            return self._in_flight

    def forget(self) -> None:
        """Behave well again and forget the calls so far."""
        self.welcome: Welcome = nothing
        self.behave: Behaviour = answer
        self.calls: list[Call] = []

    def _serve(self, peer: socket.socket, number: int) -> None:
        nth = 0
        self.welcome(peer, None)
        while head := _head(peer):
            nth += 1
            call = _parse(head, number, nth)
            self.calls.append(call)
            self._count(1)
            try:
                self.behave(peer, call)
            except HangUp:
                peer.close()  # the caller has the end of it before the call counts as over
                raise
            finally:
                self._count(-1)

    def _count(self, change: int) -> None:
        with self._lock:
            self._in_flight += change


def _head(peer: socket.socket) -> str:
    """The next request's head, empty at the end of the connection. Nobody pipelines here."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        data = peer.recv(65536)
        if not data:
            return ""
        head += data
    return head.decode("latin-1")


def _parse(head: str, connection: int, nth: int) -> Call:
    request_line, *lines = head.removesuffix("\r\n\r\n").split("\r\n")
    method, target, _ = request_line.split(" ")
    fields = (line.partition(":") for line in lines)
    headers = {name.lower(): value.strip() for name, _, value in fields}
    return Call(method, target, headers, connection, nth)
