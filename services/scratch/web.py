"""HTTP/1.1 on the loop's sockets: a server for routes, and one exchange of a client."""

from __future__ import annotations

import functools
import re
import socket
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic

from loop import READ, EventLoop, Socket, Waits

import contract
import start

MAX_HEAD = 8192  # bytes, of a request or an answer
ACCEPTED_A_TURN = 64
END = b"\r\n\r\n"

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_request_line = re.compile(
    rf"({_TOKEN}) (?:(?i:https?)://[^/?]*)?([!-~]*) HTTP/1\.([01])"
).fullmatch
_field = re.compile(rf"({_TOKEN}):([\t -~\x80-\xff]*)").fullmatch
_close = re.compile(r"(?i)(?:^|,)[\t ]*close[\t ]*(?:,|$)").search
_length = re.compile("[0-9]{1,7}").fullmatch  # of a body, which is read and dropped
_status_line = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9]{2})(?: [^\r\n]*)?\r\n").match
_chunk_size = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?").fullmatch
_answer_length = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n", re.I).search
_answer_chunked = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n", re.I).search
_answer_close = re.compile(rb"\r\nconnection:[^\r\n]*\bclose\b", re.I).search

REASONS = {status.value: status.phrase for status in HTTPStatus}
FIELDS = {405: "Allow: GET, HEAD\r\n", 426: "Upgrade: websocket\r\n"}


@dataclass(slots=True)
class Request:
    """A client's request; of a repeated header the values stand joined by a comma."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    length: int  # of its body
    is_last: bool  # on its connection
    head: bytes
    client: Socket
    rest: bytes = b""  # what has come behind it


Handler = Callable[[Request], bytes | Waits[bytes | None]]


def parse_request(head: bytes, client: Socket) -> Request:
    """Parse a request's head; a Problem where it is none."""
    first, *fields = head.decode("latin-1").removesuffix("\r\n\r\n").split("\r\n")
    request_line = _request_line(first)
    headers: dict[str, str] = {}
    for line in fields:
        field = _field(line)
        if not field:
            raise contract.Problem(400, "malformed header")
        name, value = field[1].lower(), field[2].strip(" \t")
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    if not request_line or (request_line[3] == "1" and "host" not in headers):
        raise contract.Problem(400, "malformed request")
    length = headers.get("content-length", "0")
    if "transfer-encoding" in headers or not _length(length):
        raise contract.Problem(411, "a body needs one Content-Length, of 7 digits at most")
    method, target, minor = request_line.groups()
    path, _, query = target.partition("?")
    is_last = minor == "0" or bool(_close(headers.get("connection", "")))
    return Request(method, path or "/", query, headers, int(length), is_last, head, client)


def response(status: int, body: bytes, request: Request | None) -> bytes:
    """A whole answer. Without a `request` it is the last one on its connection."""
    close = "Connection: close\r\n" if request is None or request.is_last else ""
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\nContent-Type: {contract.JSON}\r\n"
        f"Content-Length: {len(body)}\r\n{FIELDS.get(status, '')}{close}\r\n"
    ).encode()
    return head if request is not None and request.method == "HEAD" else head + body


def read_request(client: Socket, data: bytes) -> Waits[Request]:
    """The next request, of which `data` has come; OSError where there is none, or a Problem."""
    while (end := (data := data.lstrip(b"\r\n")).find(END, 0, MAX_HEAD)) < 0:
        if len(data) >= MAX_HEAD:
            raise contract.Problem(431, "request head over 8 KiB")
        data += yield from client.read()
    end += len(END)
    request = parse_request(data[:end], client)
    end += request.length
    while len(data) < end:
        data += yield from client.read()
    request.rest = data[end:]
    return request


@dataclass
class Server:
    """Accepts connections, and answers what each of them asks, one after the other."""

    loop: EventLoop
    routes: dict[str, Handler]
    admit: Callable[[], bool]  # says whether there is room for one more connection
    left: Callable[[], None]  # is called when one is gone
    on_stop: Callable[[], None] = lambda: None  # is called when no more are accepted
    in_flight: int = 0
    is_stopping: bool = False
    has_warned: bool = False

    def accept(self, listener: Socket) -> Waits[None]:
        while True:
            yield listener, READ
            if self.is_stopping:
                return
            try:
                for _ in range(ACCEPTED_A_TURN):  # many may come in one instant
                    self.welcome(listener.sock.accept()[0])
            except (BlockingIOError, ConnectionError):
                continue
            except OSError as error:  # the system has no descriptor left: it would try for ever
                print(f"cannot accept connections: {error.strerror}", file=sys.stderr)
                yield from self.loop.sleep(1)

    def welcome(self, connection: socket.socket) -> None:
        if self.admit():
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.loop.spawn(self.serve(Socket(self.loop, connection, start.KEEP_ALIVE_S)))
            return
        connection.close()
        if not self.has_warned:
            self.has_warned = True
            print("out of descriptors: refusing new connections", file=sys.stderr, flush=True)

    def serve(self, client: Socket) -> Waits[None]:
        try:
            yield from self.converse(client)
        except OSError:
            pass  # it closed the connection, or neither sent nor read anything for too long
        finally:
            client.close()
            self.left()

    def stop(self, listener: Socket) -> Waits[None]:
        """Finish what is in flight, then let the loop end."""
        yield from self.loop.sleep(0.1)  # what came before may still be in the sockets' buffers
        self.is_stopping = True
        listener.close()
        self.on_stop()
        deadline = monotonic() + start.DRAIN_S
        while self.in_flight and monotonic() < deadline:
            yield from self.loop.sleep(0.01)
        self.loop.is_running = False

    def converse(self, client: Socket) -> Waits[None]:
        """Answer request after request."""
        data = b""
        while True:
            was_there = END in data  # while the one before was answered
            try:
                request = yield from read_request(client, data)
            except contract.Problem as refusal:  # what follows cannot be told from it, either
                body = contract.error_body(refusal.message)
                yield from client.write(response(refusal.status, body, None))
                return
            self.in_flight += 1
            try:
                is_late = self.is_stopping and not was_there
                status, body = yield from self.answer(request, is_late)
                if body is None:  # the handler has done it all
                    return
                data = request.rest
                request.is_last |= self.is_stopping and not data
                yield from client.write(response(status, body, request))
            finally:
                self.in_flight -= 1
            if request.is_last:
                return

    def answer(self, request: Request, is_late: bool) -> Waits[tuple[int, bytes | None]]:
        """The status and the body of the answer."""
        try:
            if is_late:
                raise contract.Problem(503, contract.SHUTTING_DOWN)
            handler = self.routes.get(request.path)
            if handler is None:
                raise contract.Problem(404, contract.NO_ROUTE)
            if request.method not in ("GET", "HEAD"):
                raise contract.Problem(405, contract.WRONG_METHOD)
            body = handler(request)
            return 200, body if isinstance(body, bytes) else (yield from body)
        except contract.Problem as problem:
            return problem.status, contract.error_body(problem.message)
        except Exception:
            traceback.print_exc()
            return 500, contract.error_body(contract.INTERNAL)


class Stale(OSError):
    """The connection was closed before anything came back."""


class BadAnswer(OSError):
    """The bytes that came back are not an HTTP answer, or not all of it."""


def connect(loop: EventLoop, host: str, port: int, timeout_s: float) -> Waits[Socket]:
    """A connection to the first of the host's addresses that takes it; each may take its time."""
    # The system's resolver blocks: a thread has to wait for it.
    found = yield from loop.in_thread(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)
    while True:
        family, kind, protocol, _, address = found.pop(0)
        try:
            connection = Socket(loop, socket.socket(family, kind, protocol), timeout_s)
            yield from connection.connect(address)
            return connection
        except OSError:  # a TimeoutError is one, too
            if not found:
                raise


def ask(connection: Socket, request: bytes) -> Waits[tuple[int, bytes]]:
    """Send a request; the status and body of its answer. OSError where there is none.

    Afterwards the connection is open only where it can be used again.
    """
    is_done = False
    try:
        try:
            yield from connection.write(request)
            data = yield from connection.read()
        except ConnectionError:
            raise Stale from None
        head, _, body = (yield from _until(connection, data, END)).partition(END)
        status, length, keep_alive = parse_answer(head + b"\r\n")
        if length is None:
            body = yield from _chunks(connection, body)
        else:
            while len(body) < length:
                body += yield from connection.read()
        is_done = keep_alive and len(body) == length
        return status, body[:length]
    finally:
        if not is_done:
            connection.close()


@functools.lru_cache(1000)  # they hardly differ
def parse_answer(head: bytes) -> tuple[int, int | None, bool]:
    """Status, length of the body (None where it comes in chunks), whether the connection stays."""
    line, length, chunked = _status_line(head), _answer_length(head), _answer_chunked(head)
    if not line or not (length or chunked):
        raise BadAnswer
    keep_alive = line[1] == b"1" and not _answer_close(head)
    return int(line[2]), None if chunked else int(length[1]), keep_alive


def _chunks(connection: Socket, data: bytes) -> Waits[bytes]:
    """A body in chunks, of which `data` has come; its trailers are left unread."""
    body = b""
    while True:
        line, _, data = (yield from _until(connection, data, b"\r\n")).partition(b"\r\n")
        size = _chunk_size(line)
        if not size:
            raise BadAnswer
        end = int(size[1], 16)
        if not end:
            return body
        while len(data) < end + 2:
            data += yield from connection.read()
        body += data[:end]
        data = data[end + 2 :]


def _until(connection: Socket, data: bytes, mark: bytes) -> Waits[bytes]:
    """`data` and what follows, to a `mark` at least, which has to come within MAX_HEAD."""
    while mark not in data:
        if len(data) > MAX_HEAD:
            raise BadAnswer
        data += yield from connection.read()
    return data
