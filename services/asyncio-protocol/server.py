"""HTTP/1.1 on an asyncio.Protocol: a `Connection` for each client, a `Request` for what it asks."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from http import HTTPStatus

import httptools

import contract
import start

MAX_HEAD = 8192  # bytes of a request without its body
MAX_PIPELINED = 64  # requests of one client that wait for the answers before theirs
MALFORMED = "malformed request"
PHRASES = {status.value: status.phrase for status in HTTPStatus}

Headers = list[tuple[bytes, bytes]]


class Request:
    """A request as a handler needs it, and `answer`, which it calls sooner or later."""

    __slots__ = ("connection", "headers", "method", "path", "query")

    def __init__(
        self, connection: "Connection", method: bytes, target: bytes, headers: Headers
    ) -> None:
        self.connection = connection
        self.method = method
        self.headers = headers
        if not target.startswith(b"/") and b"://" in target:  # RFC 9112 3.2.2: absolute-form
            url = httptools.parse_url(target)
            target = (url.path or b"/") + b"?" + (url.query or b"")
        self.path, _, query = target.partition(b"?")
        self.query = query.decode("latin-1")

    def id(self) -> str:
        """The checked X-Request-ID; raises Problem."""
        given = [value for name, value in self.headers if name.lower() == b"x-request-id"]
        return contract.checked_request_id(b",".join(given).decode("latin-1") if given else None)

    def answer(self, result: bytes | contract.Problem) -> None:
        """Answer with a body, or with a Problem."""
        if isinstance(result, contract.Problem):
            self.connection.send(self, result.status, contract.error_body(result.message))
        else:
            self.connection.send(self, 200, result)

    def attempt(self, step: Callable[..., None], *args: object) -> None:
        """Run a step; an exception becomes the answer: a callback has no caller to catch it."""
        try:
            step(*args)
        except contract.Problem as problem:
            self.answer(problem)
        except Exception:
            logging.exception("%s %s", self.method.decode(), self.path.decode("latin-1"))
            self.answer(contract.Problem(500, contract.INTERNAL))


Handler = Callable[[Request], None]


class Server:
    """The routes, and all connections."""

    def __init__(self, routes: dict[bytes, Handler]) -> None:
        self.routes = routes
        self.connections: set[Connection] = set()
        self.is_stopping = False

    def route(self, request: Request) -> None:
        handler = self.routes.get(request.path)
        if not handler:
            raise contract.Problem(404, contract.NO_ROUTE)
        if request.method not in (b"GET", b"HEAD"):
            raise contract.Problem(405, contract.WRONG_METHOD)
        handler(request)

    def sweep(self) -> None:
        """Close the connections that were idle for a whole turn."""
        asyncio.get_running_loop().call_later(start.KEEP_ALIVE_S, self.sweep)
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
        self.is_open = True  # for requests; else it closes after the answers that are due
        self.is_idle = False  # since the last sweep

        # The request that is being received
        self.parser = httptools.HttpRequestParser(self)
        self.target = b""
        self.headers: Headers = []
        self.is_in_head = True
        self.head_bytes = 0

        # Complete requests
        self.current: Request | None = None
        self.queue: deque[tuple[Handler, Request]] = deque()
        self.is_working = False

        # Flow control
        self.can_write = True

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.server.connections.add(self)

    def data_received(self, data: bytes) -> None:
        self.is_idle = False
        self.head_bytes += len(data)
        while data and self.is_open:
            try:
                self.parser.feed_data(data)
                break
            except httptools.HttpParserUpgrade as upgrade:  # to another protocol: it is ignored
                data = data[upgrade.args[0] :]
            except httptools.HttpParserError:
                self.refuse(400, MALFORMED)
        if self.is_in_head and self.head_bytes > MAX_HEAD:
            self.refuse(431, "request head too large")

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.is_in_head = False
        if self.head_bytes > MAX_HEAD:  # or so much came at once, with other requests
            fields = sum(len(name) + len(value) + 4 for name, value in self.headers)
            if len(self.target) + fields > MAX_HEAD:
                self.refuse(431, "request head too large")

    def on_message_complete(self) -> None:
        request = Request(self, self.parser.get_method(), self.target, self.headers)
        self.target, self.headers = b"", []
        self.is_in_head, self.head_bytes = True, 0
        version = self.parser.get_http_version()
        if version in ("1.1", "1.0"):
            is_last = version == "1.0" or not self.parser.should_keep_alive()
            self.put(self.server.route, request, is_last)
        else:  # the parser takes 0.9 and 2.0, too
            self.refuse(400, MALFORMED)

    def refuse(self, status: int, message: str) -> None:
        """Answer what is no request, after those that were, and take nothing more."""
        problem = contract.Problem(status, message)
        self.put(lambda request: request.answer(problem), Request(self, b"", b"/", []), True)

    def put(self, handler: Handler, request: Request, is_last: bool) -> None:
        """Queue a request, unless the one before it was the last."""
        if not self.is_open:
            return
        self.is_open = not is_last
        self.queue.append((stopping if self.server.is_stopping else handler, request))
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
        if not self.current and self.is_ending():
            self.transport.close()

    def is_ending(self) -> bool:
        """True if the connection closes after the current answer."""
        return not self.queue and (not self.is_open or self.server.is_stopping)

    def send(self, request: Request, status: int, body: bytes) -> None:
        if request is not self.current:  # the client is gone
            return
        fields = "Allow: GET, HEAD\r\n" if status == 405 else ""
        if self.is_ending():
            fields += "Connection: close\r\n"
        head = (
            f"HTTP/1.1 {status} {PHRASES[status]}\r\n"
            f"Content-Type: {contract.JSON}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
        ).encode()
        self.transport.write(head if request.method == b"HEAD" else head + body)
        self.current = None
        self.work()

    def pause_writing(self) -> None:
        self.can_write = False

    def resume_writing(self) -> None:
        self.can_write = True
        self.work()

    def eof_received(self) -> bool:
        """True to stay open: the client may only have nothing more to send."""
        self.is_open = False
        return self.current is not None or bool(self.queue)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self.server.connections.discard(self)
        self.parser = None  # a reference cycle
        self.current = None
        self.queue.clear()


def stopping(request: Request) -> None:
    raise contract.Problem(503, contract.SHUTTING_DOWN)
