"""HTTP/1.1 on an asyncio.Protocol: a `Connection` for each client, a `Request` for what it asks."""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from http import HTTPStatus

import httptools

import contract

MAX_HEAD = 8192  # bytes of a request without its body
MAX_PIPELINED = 64  # requests of one client that wait for the answers before theirs
IDLE_S = 75  # after which a client that asks nothing loses its connection, or a bit later
LINGER_S = 1  # for a client that still sends to read why it was refused
PHRASES = {status.value: status.phrase for status in HTTPStatus}
REFUSALS = {405: "Allow: GET, HEAD\r\n", 426: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"}

# The parser refuses methods that it does not know, as if they were malformed.
unusual_method = re.compile(rb"([!#-'*+.0-9A-Z^-z|~-]+) (/\S*) HTTP/1\.[01]\r\n").match
# It waits for the rest of a head that can have none: HTTP/0.9.
without_version = re.compile(rb"\S+ +\S+\r?\n").match


class State(Enum):
    """What a connection still takes from its client."""

    OPEN = auto()  # requests
    LAST = auto()  # nothing more: it closes after the answers that are due
    REFUSED = auto()  # the same, but the client may go on sending: it closes a bit later
    UPGRADED = auto()  # another protocol has the transport
    LOST = auto()


OPEN, LAST, REFUSED, UPGRADED, LOST = State


class Request:
    """What a handler needs to know, and `answer`, which it calls sooner or later."""

    __slots__ = ("connection", "headers", "keep_alive", "method", "path", "query", "version")

    def __init__(self, connection: "Connection", method: bytes, target: bytes) -> None:
        self.connection = connection
        self.method = method
        self.version = "1.1"
        self.keep_alive = True
        if not target.startswith(b"/") and b"://" in target:  # RFC 9112 3.2.2: absolute-form
            url = httptools.parse_url(target)
            target = (url.path or b"/") + b"?" + (url.query or b"")
        path, _, query = target.partition(b"?")
        self.path = path
        self.query = query.decode("latin-1")
        self.headers: list[tuple[bytes, bytes]] = []

    def id(self) -> str:
        """The checked X-Request-ID; raises BadRequest."""
        given = [value for name, value in self.headers if name.lower() == b"x-request-id"]
        if not given:
            return ""
        return contract.checked_request_id(b",".join(given).decode("latin-1").strip(" \t"))

    def answer(self, result: bytes | contract.Problem, fields: str = "") -> None:
        """Answer with a body, or with a Problem."""
        status = 200
        if isinstance(result, contract.Problem):
            status, result = result.status, contract.error_body(result.message)
        self.connection.send(self, status, result, fields)

    def attempt(self, step: Callable[..., None], *args: object) -> None:
        """Run a step; an exception becomes the answer: a callback has no caller to catch it."""
        try:
            step(*args)
        except contract.Problem as problem:
            self.answer(problem)
        except Exception:
            logging.exception("%s %s", self.method.decode(), self.path.decode("latin-1"))
            self.answer(contract.Problem(500, contract.INTERNAL))

    def refuse(self, status: int, message: str) -> None:
        self.answer(contract.Problem(status, message), REFUSALS.get(status, ""))


Handler = Callable[[Request], None]


class Server:
    """The routes, and all connections."""

    def __init__(self, routes: dict[bytes, Handler]) -> None:
        self.routes = routes
        self.connections: set[Connection] = set()
        self.is_stopping = False

    def connection(self) -> "Connection":
        """The protocol for a client that has connected."""
        return Connection(self)

    def route(self, request: Request) -> None:
        handler = self.routes.get(request.path)
        if not handler:
            request.refuse(404, contract.NO_ROUTE)
        elif request.method not in (b"GET", b"HEAD"):
            request.refuse(405, contract.WRONG_METHOD)
        else:
            handler(request)

    def sweep(self) -> None:
        """Close the connections that were idle for a whole turn."""
        asyncio.get_running_loop().call_later(IDLE_S, self.sweep)
        for connection in list(self.connections):
            if connection.is_idle and not connection.current:
                connection.transport.abort()
            connection.is_idle = True

    def stop(self) -> None:
        """Answer what has come, close the rest."""
        self.is_stopping = True
        for connection in list(self.connections):
            connection.work()


class Connection(asyncio.Protocol):
    """One client: the request that is being answered, and those it sent without waiting."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.state = OPEN
        self.is_idle = False  # since the last sweep

        # The request that is being received
        self.parser = httptools.HttpRequestParser(self)
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.version = "1.1"
        self.is_in_head = True
        self.head_bytes = 0

        # Those that are complete
        self.current: Request | None = None
        self.queue: deque[tuple[Handler, Request]] = deque()
        self.is_working = False

        # Flow control
        self.can_write = True

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self.state is not OPEN:
            return
        self.is_idle = False
        self.head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgrade_asked(data[upgrade.args[0] :])
        except httptools.HttpParserInvalidMethodError:
            request_line = self.head_bytes == len(data) and unusual_method(data)
            if request_line:
                self.put(self.server.route, Request(self, *request_line.groups()), LAST)
            else:
                self.refuse(400, "malformed request")
        except httptools.HttpParserError:
            self.refuse(400, "malformed request")
        if self.is_in_head and self.head_bytes:
            self.check_incomplete(data)

    def check_incomplete(self, data: bytes) -> None:
        """Refuse a head that is too large, or wrong, before it is complete."""
        if self.head_bytes > MAX_HEAD:
            self.refuse(431, "request head too large")
        elif self.head_bytes == len(data) and without_version(data):
            self.refuse(400, "malformed request")

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.is_in_head = False
        self.version = self.parser.get_http_version()
        if self.version not in ("1.1", "1.0"):  # the parser takes 0.9 and 2.0, too
            self.refuse(400, "malformed request")
        if self.head_bytes > MAX_HEAD:  # or so much came at once, with other requests
            fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.target) + fields > MAX_HEAD:
                self.refuse(431, "request head too large")

    def on_message_complete(self) -> None:
        request = Request(self, self.parser.get_method(), self.target)
        request.headers, request.version = self.headers, self.version
        self.target, self.headers = b"", []
        self.is_in_head, self.head_bytes = True, 0
        self.put(self.server.route, request, OPEN if self.parser.should_keep_alive() else LAST)

    def upgrade_asked(self, rest: bytes) -> None:
        """The last request asked for another protocol; `rest` came behind it."""
        if self.state is UPGRADED:
            self.transport.get_protocol().data_received(rest)
        elif self.queue:  # it must not come before its turn
            self.queue.pop()
            self.refuse(400, "an upgrade must wait for the answers before it")
        elif rest:
            self.data_received(rest)

    def upgrade(self, protocol: asyncio.Protocol) -> None:
        """Hand the transport over."""
        self.transport.set_protocol(protocol)
        self.release(UPGRADED)

    def refuse(self, status: int, message: str) -> None:
        """Answer what is no request, after those that were, and take nothing more."""
        self.put(lambda request: request.refuse(status, message), Request(self, b"", b"/"), REFUSED)

    def put(self, handler: Handler, request: Request, then: State) -> None:
        """Queue a request; `then` is the state after it."""
        if self.state is not OPEN:
            return
        self.state = then
        request.keep_alive = then is OPEN
        if self.server.is_stopping and then is not REFUSED:
            handler = stopping
        self.queue.append((handler, request))
        self.work()
        if len(self.queue) >= MAX_PIPELINED:
            self.transport.pause_reading()

    def work(self) -> None:
        """Handle the queue, one request after the other, as far as the client reads its answers."""
        if self.is_working:  # an answer was there at once: the loop below goes on
            return
        self.is_working = True
        while self.queue and not self.current and self.can_write:
            handler, self.current = self.queue.popleft()
            self.current.attempt(handler, self.current)
            if len(self.queue) == MAX_PIPELINED - 1:
                self.transport.resume_reading()
        self.is_working = False
        if not self.current and not self.queue:
            if self.state is REFUSED and not self.server.is_stopping:
                self.linger()
            elif self.state in (LAST, REFUSED) or (self.server.is_stopping and self.state is OPEN):
                self.transport.close()

    def send(self, request: Request, status: int, body: bytes, fields: str) -> None:
        if request is not self.current:  # the client is gone
            return
        if not request.keep_alive or (self.server.is_stopping and not self.queue):
            fields += "Connection: close\r\n"
        elif request.version == "1.0":  # where it is not usual
            fields += "Connection: keep-alive\r\n"
        head = (
            f"HTTP/1.1 {status} {PHRASES[status]}\r\n"
            f"Content-Type: {contract.JSON}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
        ).encode()
        self.transport.write(head if request.method == b"HEAD" else head + body)
        self.current = None
        self.work()

    def linger(self) -> None:
        """Close for writing only: unread bytes would reset the connection before it is read."""
        self.transport.write_eof()
        asyncio.get_running_loop().call_later(LINGER_S, self.transport.abort)

    def pause_writing(self) -> None:
        self.can_write = False

    def resume_writing(self) -> None:
        self.can_write = True
        self.work()

    def eof_received(self) -> bool:
        """Whether to stay open: for a client that only has nothing more to ask."""
        self.state = LAST
        return self.current is not None or bool(self.queue)

    def connection_lost(self, error: Exception | None) -> None:
        self.release(LOST)

    def release(self, state: State) -> None:
        """Forget the client."""
        self.state = state
        self.server.connections.discard(self)
        self.parser = None  # a reference cycle
        self.current = None
        self.queue.clear()


def stopping(request: Request) -> None:
    request.refuse(503, contract.SHUTTING_DOWN)
