"""A backend that misbehaves on command, and remembers what reached it."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

from tests.contract.client import echo


class HangUp(Exception):
    """Raised by a behaviour: close the connection without another word."""


@dataclass(frozen=True)
class Call:
    """One request as it arrived: `nth` on its connection, counted from 1."""

    method: str
    target: str
    headers: dict[str, str]
    connection: int
    nth: int

    def body(self) -> bytes:
        """What the real backend would answer."""
        return echo(self.target.removeprefix("/delay/"), self.headers.get("x-request-id", ""))


Behaviour = Callable[[socket.socket, Call], None]


def response(call: Call, status: str = "200 OK", *headers: str) -> bytes:
    """A whole and correct response."""
    body = call.body()
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode() + body


def answer(peer: socket.socket, call: Call) -> None:
    """Answer at once, whatever the delay asked for."""
    peer.sendall(response(call))


def drop(peer: socket.socket, call: Call) -> None:
    """Close the connection without an answer."""
    raise HangUp


def reset(peer: socket.socket, call: Call) -> None:
    """Reset the connection without an answer."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raise HangUp


def silent(peer: socket.socket, call: Call) -> None:
    """Say nothing until the caller hangs up."""
    peer.recv(1)
    raise HangUp


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
            _pause(peer, pause_s)
            last = index == pieces - 1
            peer.sendall(head[index * size :] if last else head[index * size : (index + 1) * size])
        peer.sendall(b"\r\n\r\n" + body)

    return behave


def late(pause_s: float) -> Behaviour:
    """Answer after a pause."""

    def behave(peer: socket.socket, call: Call) -> None:
        _pause(peer, pause_s)
        peer.sendall(response(call))

    return behave


def _pause(peer: socket.socket, pause_s: float) -> None:
    """Let time pass; HangUp as soon as the caller does."""
    peer.settimeout(pause_s)
    try:
        peer.recv(1)
    except TimeoutError:
        peer.settimeout(None)
        return
    raise HangUp


class FakeBackend:
    """Listens on a port that stays its own, listening or not.

    `behave` is what it does with each request from now on.
    """

    def __init__(self) -> None:
        self.behave: Behaviour = answer
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        self._accepted = 0
        self._peers: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        # Bound but not listening: connections are refused, and nobody else gets the port.
        self._reserved = _bound(0)
        self.port: int = self._reserved.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> FakeBackend:
        self.listen()
        return self

    def __exit__(self, *_: object) -> None:
        self.refuse()
        self._reserved.close()

    def listen(self) -> None:
        """Accept connections."""
        self._reserved.close()
        self._listener = _bound(self.port)
        self._listener.listen(128)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def refuse(self) -> None:
        """Refuse connections and drop those that are open, as if the process had died."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes up accept()
            self._listener.close()
            self._listener = None
            self._reserved = _bound(self.port)
        self.hang_up()

    def hang_up(self, abruptly: bool = False) -> None:
        """Close all open connections, with a TCP reset if asked."""
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            with contextlib.suppress(OSError):
                if abruptly:
                    # The close that answers this with a reset is that of the serving thread.
                    linger = struct.pack("ii", 1, 0)
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    peer.shutdown(socket.SHUT_RD)
                else:
                    peer.shutdown(socket.SHUT_RDWR)

    def open_connections(self) -> int:
        """How many connections callers hold open."""
        with self._lock:
            return len(self._peers)

    def forget(self) -> None:
        """Behave well again and forget the calls so far."""
        self.behave = answer
        self.calls = []

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._accepted += 1
                    self._peers.add(peer)
                arguments = [peer, self._accepted]
                threading.Thread(target=self._serve, args=arguments, daemon=True).start()

    def _serve(self, peer: socket.socket, number: int) -> None:
        nth = 0
        with contextlib.suppress(OSError, HangUp):
            while head := _head(peer):
                nth += 1
                call = _parse(head, number, nth)
                self.calls.append(call)
                self.behave(peer, call)
        with self._lock:
            self._peers.discard(peer)
            peer.close()


def _bound(port: int) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


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
