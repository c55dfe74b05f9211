"""An HTTP/1.1 client that hides nothing: the headers and bytes as they came, no retry."""

from __future__ import annotations

import contextlib
import json
import selectors
import socket
import struct
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30.0
HELD_UP_S = 10.0  # how long something else may hold up the machine, and no test fails
Headers = Sequence[tuple[str, str]]


class Closed(Exception):
    """The server closed or reset the connection instead of answering."""


@dataclass(frozen=True)
class Answer:
    """One response; `elapsed_s` from the request's first byte to the response's last."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    elapsed_s: float

    def header(self, name: str) -> str | None:
        """The only value of a header, None where it is absent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class Connection:
    """One TCP connection, for any number of requests one after the other.

    Another one takes its place where an answer said `Connection: close`, once
    the server has kept its word. `receive_bytes` is about how much may wait in
    the socket unread, the system's choice if 0.
    """

    def __init__(self, url: str, timeout_s: float = TIMEOUT_S, receive_bytes: int = 0) -> None:
        self._url = urlsplit(url)
        self._host = self._url.netloc
        self._timeout_s = timeout_s
        self._receive_bytes = receive_bytes
        self._method = ""
        self._sent_at = 0.0
        self._connect()

    def _connect(self) -> None:
        self._buffer = bytearray()
        self._is_ending = False
        host = self._url.hostname or ""
        self.socket = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
        if self._receive_bytes:  # which counts for the window that connect() announces
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_bytes)
        self.socket.settimeout(self._timeout_s)
        self.socket.connect((host, self._url.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(
        self, target: str, method: str = "GET", headers: Headers = (), body: bytes = b""
    ) -> Connection:
        """Send a request; what the server does to it shows in `receive`."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._host}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return self.send_bytes("\r\n".join([*lines, "", ""]).encode("latin-1") + body, method)

    def send_bytes(self, data: bytes, method: str = "GET") -> Connection:
        """Send `data` as it is; `method` says how the response is framed."""
        if self._is_ending:
            assert self.is_closed(), "more came than the last answer"
            self.socket.close()
            self._connect()
        self._method = method
        self._sent_at = time.monotonic()
        with contextlib.suppress(ConnectionError):  # a server may refuse before it has read all
            self.socket.sendall(data)
        return self

    def receive(self) -> Answer:
        """Read one response; Closed where there is none, TimeoutError where it takes too long."""
        while b"\r\n\r\n" not in self._buffer:
            self._read()
        head = self._take(self._buffer.index(b"\r\n\r\n") + 4)[:-4]
        status_line, *lines = head.decode("latin-1").split("\r\n")
        assert status_line.startswith("HTTP/1."), f"not a status line: {status_line!r}"
        headers = []
        for line in lines:
            name, _, value = line.partition(":")
            headers.append((name, value.strip(" \t")))
        status = int(status_line.split()[1])
        is_without_body = self._method == "HEAD" or status == 101
        fields = {name.lower(): value for name, value in headers}
        body = b"" if is_without_body else self._body(fields)
        self._is_ending = fields.get("connection", "").lower() == "close"
        return Answer(status, tuple(headers), body, time.monotonic() - self._sent_at)

    def rest(self) -> bytes:
        """The bytes received after the last response."""
        return self._take(len(self._buffer))

    def ask(
        self, target: str, method: str = "GET", headers: Headers = (), body: bytes = b""
    ) -> Answer:
        """Send a request and read its response."""
        return self.send(target, method, headers, body).receive()

    def is_closed(self) -> bool:
        """Wait for the server to close this connection; False where it sends more instead."""
        try:
            return not self._buffer and self.socket.recv(1) == b""
        except ConnectionError:
            return True

    def hang_up(self, reset: bool = False) -> None:
        """Close, with a TCP reset if asked."""
        if reset:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def _body(self, headers: dict[str, str]) -> bytes:
        assert "transfer-encoding" not in headers, "a chunked answer has no Content-Length"
        if "content-length" not in headers:  # an answer of the server's own, up to the end
            with contextlib.suppress(Closed):
                while True:
                    self._read()
            return self.rest()
        length = int(headers["content-length"])
        while len(self._buffer) < length:
            self._read()
        return self._take(length)

    def _take(self, size: int) -> bytes:
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def _read(self) -> None:
        try:
            data = self.socket.recv(1 << 20)
        except ConnectionError as error:
            raise Closed(str(error)) from error
        if not data:
            raise Closed("end of stream")
        self._buffer += data


def ask(
    url: str,
    target: str,
    method: str = "GET",
    headers: Headers = (),
    body: bytes = b"",
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """One request on a connection of its own."""
    with Connection(url, timeout_s) as connection:
        return connection.ask(target, method, headers, body)


def gather(connections: Sequence[Connection]) -> list[Answer]:
    """The responses to what was sent on `connections`, each read as soon as it is there."""
    answers: dict[int, Answer] = {}
    with selectors.DefaultSelector() as selector:
        for index, connection in enumerate(connections):
            selector.register(connection.socket, selectors.EVENT_READ, index)
        while len(answers) < len(connections):
            ready = selector.select(TIMEOUT_S)
            assert ready, f"{len(connections) - len(answers)} of {len(connections)} unanswered"
            for key, _ in ready:
                selector.unregister(key.fileobj)
                answers[key.data] = connections[key.data].receive()
    return [answers[index] for index in range(len(connections))]


def together(url: str, asks: Iterable[tuple[str, Headers]]) -> list[Answer]:
    """Send all of `asks` (target and headers) at once, each on a new connection."""
    wanted = list(asks)
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(Connection(url)) for _ in wanted]
        for connection, (target, headers) in zip(connections, wanted, strict=True):
            connection.send(target, headers=headers)
        return gather(connections)


def identified(request_id: str) -> Headers:
    """The header that carries a request's id."""
    return (("X-Request-ID", request_id),)


def echo(delay: str, request_id: str = "") -> bytes:
    """The body that answers `delay` and `request_id`."""
    return f'{{"delay":{delay},"id":"{request_id}"}}'.encode()


def fanned_out(delay: str, request_id: str, calls: int) -> bytes:
    """The body of `/fanout`."""
    ids = ",".join(f'"{request_id}.{number}"' for number in range(1, calls + 1))
    return f'{{"delay":{delay},"ids":[{ids}]}}'.encode()


def composed(delay: str, request_id: str, cycles: int) -> bytes:
    """The body of `/composite`."""
    ids = ",".join(f'"{request_id}.{number}"' for number in range(1, 13))
    return f'{{"delay":{delay},"cycles":{cycles},"ids":[{ids}]}}'.encode()


def error(message: str) -> bytes:
    """The body of an error."""
    return f'{{"error":"{message}"}}'.encode()


def check(answer: Answer, status: int, body: bytes, asked: str = "") -> None:
    """Assert that an answer is what the contract says, to the byte; `asked` is said if not."""
    assert (answer.status, answer.body) == (status, body), asked
    assert answer.header("Content-Type") == "application/json"
    assert answer.header("Content-Length") == str(len(body))


def until(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S) -> bool:
    """Poll until `condition` holds; False where it never does within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.005)
    return True


def settle(url: str) -> None:
    """Use up the service's idle connections that are just being closed: each may cost a 502."""
    assert until(lambda: ask(url, "/?delay=0").status == 200)
