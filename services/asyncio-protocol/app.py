"""A bare asyncio.Protocol on uvloop: an object with callbacks waits.

While the backend is slow, all that is left of a request is a `Call` in a table,
with the callback that its answer will go to. No coroutine, no stack.
"""

import asyncio
import gc
import json
import logging
import multiprocessing
import multiprocessing.connection
import os
import platform
import re
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import httptools
import uvloop
import wsproto
from wsproto import events
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

import contract

SETTINGS = contract.settings(os.environ)
FOLDER = Path(__file__).parent
INFO = {
    "service": FOLDER.name,
    "workers": SETTINGS.workers,
    "concurrency": SETTINGS.concurrency,
    "slots": SETTINGS.workers * SETTINGS.concurrency,
    "client_pool": SETTINGS.concurrency,
    "backend_url": SETTINGS.backend_url,
    "backend_timeout_s": SETTINGS.backend_timeout_s,
    "versions": {"python": platform.python_version()}
    | {name: version(name) for name in (FOLDER / "requirements.in").read_text().split()},
}
FILE = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the service runs)
MAX_HEAD = 8192  # bytes of a request without its body
IDLE_S = 75  # after which a client that asks nothing loses its connection, or a bit later
REFUSALS = {405: "Allow: GET, HEAD\r\n", 426: "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"}
PHRASES = {status.value: status.phrase for status in HTTPStatus}
MAX_PIPELINED = 64  # requests of one client that wait for the answers before theirs
LINGER_S = 1  # for a client that still sends to read why it was refused
MAX_WAITING = 256  # messages for one chat connection,
MAX_WAITING_BYTES = 1024 * 1024  # and their size
CLOSE_S = 5  # how long a close frame may take

Result = bytes | contract.Problem
Done = Callable[[Result], None]


class Call:
    """One call to the backend: in line, then on its connection, then `done`."""

    __slots__ = ("connection", "done", "head", "host", "is_again", "port", "protocol", "state")
    IN_LINE, STARTED, ENDED = range(3)

    def __init__(self, head: bytes, address: tuple[str, int], protocol: type, done: Done) -> None:
        self.head = head
        self.host, self.port = address
        self.protocol = protocol
        self.done = done
        self.connection: asyncio.Protocol | asyncio.Task | None = None
        self.is_again = False
        self.state = Call.IN_LINE


class Backend:
    """The way to the backend: one pool of kept-alive connections a process."""

    def __init__(self) -> None:
        self.line_address = contract.line_address(SETTINGS.backend_url)
        self.address = self.line_address[0], self.line_address[1] - 1
        self.host = SETTINGS.backend_url.removeprefix("http://")
        # One connection for each request in flight; the rest wait in line.
        self.slots = SETTINGS.concurrency
        self.waiting: deque[Call] = deque()
        self.idle: dict[BackendConnection, None] = {}
        # All calls may be silent for the same time: the first here is the first to be too slow.
        self.deadlines: dict[Call, float] = {}
        self.timer: asyncio.TimerHandle | None = None

    def call(self, delay: str, request_id: str, done: Done) -> Call:
        """Ask, and have `done` called with the body of the answer or with a Problem."""
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {self.host}\r\n{identity}\r\n"
        return self.queue(Call(head.encode(), self.address, BackendConnection, done))

    def line(self, delay: str, request_id: str, done: Done) -> Call:
        """The same over the line protocol; what comes back is the line."""
        head = contract.line(delay, request_id)
        return self.queue(Call(head, self.line_address, LineConnection, done))

    def queue(self, call: Call) -> Call:
        if self.slots:
            self.slots -= 1
            self.start(call)
        else:
            self.waiting.append(call)
        return call

    def start(self, call: Call) -> None:
        call.state = Call.STARTED
        self.expect(call)
        if self.idle and call.protocol is BackendConnection:
            self.idle.popitem()[0].send(call)  # the one used last: it is the least likely stale
        else:
            self.connect(call)

    def connect(self, call: Call) -> None:
        # asyncio has no callback for this one, but a task has.
        loop = asyncio.get_running_loop()
        opening = loop.create_connection(partial(call.protocol, call), call.host, call.port)
        call.connection = loop.create_task(opening)
        call.connection.add_done_callback(partial(self.connected, call))

    def connected(self, call: Call, opening: asyncio.Task) -> None:
        if not opening.cancelled() and opening.exception():
            self.end(call, contract.BackendBroken(SETTINGS.backend_url))

    def again(self, call: Call) -> None:
        """Nothing came back, the connection was closed: once more, on a new one."""
        if call.is_again:
            self.end(call, contract.BackendBroken(SETTINGS.backend_url))
        else:
            call.is_again = True
            self.expect(call)
            self.connect(call)

    def end(self, call: Call, result: Result) -> None:
        """Give the slot to the next in line, and the result to who waits for it."""
        if call.state != Call.STARTED:
            return
        call.state = Call.ENDED
        del self.deadlines[call]
        while self.waiting:
            following = self.waiting.popleft()
            if following.state == Call.IN_LINE:
                self.start(following)
                break
        else:
            self.slots += 1
        call.done(result)

    def cancel(self, call: Call) -> None:
        """Nobody waits for this call any more."""
        if call.state == Call.STARTED:
            self.cut_off(call)
            call.done = ignore
            self.end(call, b"")
        call.state = Call.ENDED

    def cut_off(self, call: Call) -> None:
        if isinstance(call.connection, asyncio.Task):
            call.connection.cancel()
        else:
            call.connection.abort()

    def expect(self, call: Call) -> None:
        """Something was sent or received: the silence of the backend begins anew."""
        self.deadlines.pop(call, None)
        loop = asyncio.get_running_loop()
        self.deadlines[call] = loop.time() + SETTINGS.backend_timeout_s
        if not self.timer:
            self.timer = loop.call_later(SETTINGS.backend_timeout_s, self.sweep)

    def sweep(self) -> None:
        """End the calls that waited too long, and come again when the next one may have."""
        loop = asyncio.get_running_loop()
        while self.deadlines:
            call, deadline = next(iter(self.deadlines.items()))
            if deadline > loop.time():
                self.timer = loop.call_at(deadline, self.sweep)
                return
            self.cut_off(call)
            slow = contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s)
            self.end(call, slow)
        self.timer = None

    def close(self) -> None:
        for connection in list(self.idle):
            connection.abort()


class BackendConnection(asyncio.Protocol):
    """A kept-alive connection: it has a `call`, or it is idle."""

    def __init__(self, call: Call) -> None:
        self.call: Call | None = call

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        if self.call.state == Call.STARTED:
            self.send(self.call)
        else:
            self.abort()

    def send(self, call: Call) -> None:
        self.call = call
        call.connection = self
        self.body = b""
        self.is_answered = self.is_complete = self.is_spoilt = False
        self.transport.write(call.head)

    def data_received(self, data: bytes) -> None:
        call = self.call
        if not call:  # nobody asked
            self.abort()
            return
        self.is_answered = True
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.is_spoilt = True
        if not self.is_complete and not self.is_spoilt:
            BACKEND.expect(call)
            return
        result = self.body
        if not self.is_complete or self.parser.get_status_code() != 200:
            result = contract.BackendBroken(SETTINGS.backend_url)
        self.call = None
        if self.is_spoilt or not self.is_kept:
            self.abort()
        else:
            BACKEND.idle[self] = None
        BACKEND.end(call, result)

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_begin(self) -> None:
        self.is_spoilt = self.is_complete  # more than the one answer

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.is_kept = self.parser.should_keep_alive()

    def eof_received(self) -> None:
        BACKEND.idle.pop(self, None)

    def connection_lost(self, error: Exception | None) -> None:
        BACKEND.idle.pop(self, None)
        self.parser = None  # it and this hold each other
        call, self.call = self.call, None
        if not call:
            return
        if self.is_answered:
            BACKEND.end(call, contract.BackendBroken(SETTINGS.backend_url))
        else:
            BACKEND.again(call)

    def abort(self) -> None:
        self.call = None
        BACKEND.idle.pop(self, None)
        self.transport.abort()


class LineConnection(asyncio.Protocol):
    """A connection for one line."""

    def __init__(self, call: Call) -> None:
        self.call = call
        self.received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        if self.call.state == Call.STARTED:
            self.call.connection = self
            transport.write(self.call.head)
        else:
            self.abort()

    def data_received(self, data: bytes) -> None:
        self.received += data
        if self.received != self.call.head and self.call.head.startswith(self.received):
            BACKEND.expect(self.call)
        else:  # all of it, or it is garbled
            self.abort()
            BACKEND.end(self.call, self.received)

    def connection_lost(self, error: Exception | None) -> None:
        BACKEND.end(self.call, contract.BackendBroken(SETTINGS.backend_url))

    def abort(self) -> None:
        self.transport.abort()


BACKEND = Backend()


class Together:
    """Several calls at once: `done` gets the list of answers, or the first Problem."""

    def __init__(self, delay: str, ids: list[str], done: Callable) -> None:
        self.done = done
        self.answers: list[bytes] = [b""] * len(ids)
        self.missing = len(ids)
        self.calls = [
            BACKEND.call(delay, call_id, partial(self.one, place))
            for place, call_id in enumerate(ids)
        ]

    def one(self, place: int, result: Result) -> None:
        if isinstance(result, contract.Problem):
            self.cancel()
            self.done(result)
            return
        self.answers[place] = result
        self.missing -= 1
        if not self.missing:
            self.done(self.answers)

    def cancel(self) -> None:
        for call in self.calls:
            BACKEND.cancel(call)


def ignore(result: object) -> None:
    """For results that nobody waits for."""


def make_file() -> None:
    for _ in range(16):
        FILE.write(contract.file_block())
    FILE.flush()


def read_file(size: int) -> bytes:
    parts, left = [], size
    while left:
        parts.append(os.pread(FILE.fileno(), left, size - left))
        left -= len(parts[-1])
    return b"".join(parts)


class Request:
    """What a handler needs to know, and `answer`, which it calls sooner or later."""

    __slots__ = ("connection", "headers", "keep_alive", "method", "path", "query")

    def __init__(self, connection: "Connection", method: bytes, target: bytes) -> None:
        self.connection = connection
        self.method = method
        self.keep_alive = True
        if not target.startswith(b"/"):  # with a scheme and a host in front
            url = httptools.parse_url(target)
            target = (url.path or b"/") + b"?" + (url.query or b"")
        path, _, query = target.partition(b"?")
        self.path = path
        self.query = query.decode("latin-1")
        self.headers: list[tuple[bytes, bytes]] = []

    def id(self) -> str:
        given = [value for name, value in self.headers if name.lower() == b"x-request-id"]
        if not given:
            return ""
        return contract.checked_request_id(b",".join(given).decode("latin-1").strip(" \t"))

    def answer(self, result: Result, kind: str = contract.JSON, fields: str = "") -> None:
        """Answer with a body, or with a Problem."""
        status = 200
        if isinstance(result, contract.Problem):
            status, result = result.status, contract.error_body(result.message)
        self.connection.send(self, status, result, kind, fields)

    def attempt(self, step: Callable[..., None], *args: object) -> None:
        """Run a step; what it raises becomes the answer: there is no caller to catch it."""
        try:
            step(*args)
        except contract.Problem as problem:
            self.answer(problem)
        except Exception:
            logging.exception("%s %s", self.method.decode(), self.path.decode("latin-1"))
            self.answer(contract.Problem(500, contract.INTERNAL))

    def refuse(self, status: int, message: str) -> None:
        self.answer(contract.Problem(status, message), fields=REFUSALS.get(status, ""))


def index(request: Request) -> None:
    delay = contract.delay_from(request.query)
    BACKEND.call(delay, request.id(), request.answer)


def fanout(request: Request) -> None:
    calls, delay = contract.fanout_from(request.query)
    ids = contract.call_ids(request.id(), calls)

    def done(answers: list[bytes] | contract.Problem) -> None:
        if isinstance(answers, contract.Problem):
            raise answers
        request.answer(contract.fanout_body(SETTINGS.backend_url, delay, answers))

    Together(delay, ids, partial(request.attempt, done))


class Composite:
    """The steps of `/composite`: each one is called back with what the one before asked for."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.delay, self.cycles = contract.composite_from(request.query)
        self.ids = contract.call_ids(request.id(), contract.COMPOSITE_CALLS)
        self.answers = [b""] * contract.COMPOSITE_CALLS
        BACKEND.call(self.delay, self.ids[0], self.then(self.first))

    def then(self, step: Callable, *args: object) -> Done:
        return partial(self.request.attempt, step, *args)

    def first(self, result: Result) -> None:
        self.take(0, [result])
        contract.burn(self.cycles)
        self.branches = [
            Together(self.delay, self.ids[start : start + 5], self.then(self.branch, start))
            for start in (1, 6)
        ]

    def branch(self, start: int, result: list[bytes] | contract.Problem) -> None:
        self.take(start, result)
        contract.burn(self.cycles)
        if all(self.answers[1:11]):
            contract.burn(self.cycles)
            BACKEND.call(self.delay, self.ids[11], self.then(self.last))

    def last(self, result: Result) -> None:
        self.take(11, [result])
        contract.burn(self.cycles)
        url = SETTINGS.backend_url
        self.request.answer(contract.composite_body(url, self.delay, self.cycles, self.answers))

    def take(self, start: int, results: list[Result] | contract.Problem) -> None:
        problem = results if isinstance(results, contract.Problem) else results[0]
        if isinstance(problem, contract.Problem):
            for branch in getattr(self, "branches", []):
                branch.cancel()
            raise problem
        self.answers[start : start + len(results)] = results


def cpu(request: Request) -> None:
    cycles = contract.cycles_from(request.query)
    contract.burn(cycles)
    request.answer(contract.cpu_body(cycles))


def line(request: Request) -> None:
    delay = contract.delay_from(request.query)
    sent = contract.line(delay, request.id())

    def done(received: Result) -> None:
        if isinstance(received, contract.Problem):
            raise received
        request.answer(contract.line_body(SETTINGS.backend_url, sent, received))

    BACKEND.line(delay, request.id(), partial(request.attempt, done))


def file(request: Request) -> None:
    size = contract.size_from(request.query)

    def done(reading: asyncio.Future) -> None:
        request.answer(reading.result(), kind="application/octet-stream")

    # epoll calls every file ready and the read then blocks: in a thread, it may.
    reading = asyncio.get_running_loop().run_in_executor(None, read_file, size)
    reading.add_done_callback(partial(request.attempt, done))


def chat(request: Request) -> None:
    websocket = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    try:
        if request.method == b"HEAD":
            raise RemoteProtocolError("there is no HEAD of a conversation")
        websocket.initiate_upgrade_connection(request.headers, request.path)
    except RemoteProtocolError as error:
        request.refuse(426, str(error))
        return
    member = Member(websocket, request.connection.transport)
    request.connection.become(member)
    member.transport.write(websocket.send(events.AcceptConnection()))


class Member(asyncio.Protocol):
    """A chat connection, with the messages that its socket has no room for yet."""

    everyone: ClassVar[set["Member"]] = set()

    def __init__(self, websocket: wsproto.WSConnection, transport: asyncio.Transport) -> None:
        self.websocket = websocket
        self.transport = transport
        self.text: list[str] = []  # what came of a message that is not complete
        self.text_bytes = 0
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.is_paused = False
        self.is_closing = False
        transport.set_write_buffer_limits(0)  # what waits does so here, where it is counted
        Member.everyone.add(self)

    def data_received(self, data: bytes) -> None:
        self.websocket.receive_data(data)
        for event in self.websocket.events():
            match event:
                case events.CloseConnection():
                    self.leave(event)
                    return
                case _ if self.is_closing:
                    pass
                case events.TextMessage():
                    self.hear(event)
                case events.BytesMessage():
                    self.close(CloseReason.UNSUPPORTED_DATA)
                case events.Ping():
                    self.tell(self.websocket.send(event.response()))

    def hear(self, event: events.TextMessage) -> None:
        """Pass a message on once it is complete: all get the same bytes."""
        self.text.append(event.data)
        self.text_bytes += len(event.data.encode())
        if self.text_bytes > contract.MAX_MESSAGE:
            self.close(CloseReason.MESSAGE_TOO_BIG)
        elif event.message_finished:
            message = self.websocket.send(events.TextMessage("".join(self.text)))
            self.text, self.text_bytes = [], 0
            for member in Member.everyone:
                if member is not self:
                    member.tell(message)

    def tell(self, message: bytes) -> None:
        """Send it as soon as the socket has room; drop who does not read."""
        if self.is_closing:
            return
        if not self.is_paused:
            self.transport.write(message)
            return
        self.waiting.append(message)
        self.waiting_bytes += len(message)
        if len(self.waiting) > MAX_WAITING or self.waiting_bytes > MAX_WAITING_BYTES:
            self.close(CloseReason.TRY_AGAIN_LATER)

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        while self.waiting and not self.is_paused:
            message = self.waiting.popleft()
            self.waiting_bytes -= len(message)
            self.transport.write(message)

    def close(self, code: int) -> None:
        """Say goodbye; cut off whoever does not take it in time."""
        if not self.is_closing:
            self.is_closing = True
            self.waiting.clear()
            self.transport.write(self.websocket.send(events.CloseConnection(code)))
            asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)

    def leave(self, event: events.CloseConnection) -> None:
        if not self.is_closing:
            self.is_closing = True
            self.transport.write(self.websocket.send(event.response()))
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.is_closing = True
        Member.everyone.discard(self)


def health(request: Request) -> None:
    request.answer(b'{"status":"ok"}')


def info(request: Request) -> None:
    request.answer(json.dumps(INFO).encode())


ROUTES = {
    b"/": index,
    b"/fanout": fanout,
    b"/composite": Composite,
    b"/cpu": cpu,
    b"/line": line,
    b"/file": file,
    b"/chat": chat,
    b"/health": health,
    b"/info": info,
}


Handler = Callable[[Request], None]


class Connection(asyncio.Protocol):
    """One client: the request that is being answered, and those it sent without waiting."""

    everyone: ClassVar[set["Connection"]] = set()
    is_stopping = False

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.target = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_in_head = True
        self.head_bytes = 0
        self.current: Request | None = None
        self.waiting: deque[tuple[Handler, Request]] = deque()
        self.member: Member | None = None
        self.is_working = False
        self.is_reading = True
        self.is_paused = False  # the client does not read
        self.is_closing = False  # nothing more is taken from it
        self.is_refused = False  # though it may go on sending
        self.is_idle = False  # since the last look

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        Connection.everyone.add(self)

    def data_received(self, data: bytes) -> None:
        if self.is_closing:
            return
        self.is_idle = False
        self.head_bytes += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self.upgraded(data[upgrade.args[0] :])
        except httptools.HttpParserInvalidMethodError:
            # The parser refuses methods it has not heard of, as if they were no HTTP.
            unusual = re.match(rb"([!#-'*+.^-z|~-]+) (/\S*) HTTP/1\.[01]\r\n", data)
            if unusual:
                self.put(route, Request(self, *unusual.groups()), is_last=True)
            else:
                self.refuse(400, "malformed request")
        except httptools.HttpParserError:
            self.refuse(400, "malformed request")
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
        request = Request(self, self.parser.get_method(), self.target)
        request.headers = self.headers
        self.target, self.headers = b"", []
        self.is_in_head, self.head_bytes = True, 0
        self.put(route, request, is_last=not self.parser.should_keep_alive())

    def upgraded(self, rest: bytes) -> None:
        """The request asked for another protocol; `rest` came behind it."""
        if self.member:
            self.member.data_received(rest)
        elif self.waiting:  # who wants that must not be waiting for answers
            self.waiting.pop()
            self.refuse(400, "an upgrade must wait for the answers before it")
        elif rest:
            self.data_received(rest)

    def become(self, member: Member) -> None:
        self.member = member
        self.connection_lost(None)
        self.transport.set_protocol(member)

    def refuse(self, status: int, message: str) -> None:
        """Answer what is no request, behind those that were, and take nothing more."""
        self.is_refused = True
        request = Request(self, b"", b"/")
        self.put(lambda request: request.refuse(status, message), request, is_last=True)

    def put(self, handler: Handler, request: Request, is_last: bool) -> None:
        if self.is_closing:
            return
        request.keep_alive = not is_last
        self.is_closing = is_last
        if Connection.is_stopping and handler is route:
            handler = stopping
        self.waiting.append((handler, request))
        self.work()

    def work(self) -> None:
        """Handle what waits, one after the other, as far as the client reads its answers."""
        if self.is_working:  # an answer was there at once: the loop below goes on
            return
        self.is_working = True
        while self.waiting and not self.current and not self.is_paused:
            handler, self.current = self.waiting.popleft()
            self.current.attempt(handler, self.current)
        self.is_working = False
        if self.member:  # the connection is its own now
            return
        is_done = not self.current and not self.waiting
        if is_done and (self.is_closing or Connection.is_stopping):
            self.close()
        elif self.is_reading != (len(self.waiting) < MAX_PIPELINED):
            self.is_reading = not self.is_reading
            (self.transport.resume_reading if self.is_reading else self.transport.pause_reading)()

    def send(self, request: Request, status: int, body: bytes, kind: str, fields: str) -> None:
        if request is not self.current:  # the client is gone
            return
        if not request.keep_alive or (Connection.is_stopping and not self.waiting):
            fields += "Connection: close\r\n"
        head = (
            f"HTTP/1.1 {status} {PHRASES[status]}\r\n"
            f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n{fields}\r\n"
        ).encode()
        self.transport.write(head if request.method == b"HEAD" else head + body)
        self.current = None
        self.work()

    def pause_writing(self) -> None:
        self.is_paused = True

    def resume_writing(self) -> None:
        self.is_paused = False
        self.work()

    def eof_received(self) -> bool:
        """Whether to stay open: for a client that only has nothing more to ask."""
        self.is_closing = True
        return self.current is not None or bool(self.waiting)

    def connection_lost(self, error: Exception | None) -> None:
        Connection.everyone.discard(self)
        self.parser = None  # it and this hold each other
        self.is_closing = True
        self.current = None
        self.waiting.clear()

    def close(self) -> None:
        if self.is_refused and not Connection.is_stopping:
            self.transport.write_eof()
            asyncio.get_running_loop().call_later(LINGER_S, self.transport.abort)
        else:
            self.transport.close()

    @classmethod
    def sweep(cls) -> None:
        """Close the connections that were idle for a whole turn."""
        asyncio.get_running_loop().call_later(IDLE_S, cls.sweep)
        for connection in list(cls.everyone):
            if connection.is_idle and not connection.current:
                connection.transport.abort()
            connection.is_idle = True


def route(request: Request) -> None:
    handler = ROUTES.get(request.path)
    if not handler:
        request.refuse(404, contract.NO_ROUTE)
    elif request.method not in (b"GET", b"HEAD"):
        request.refuse(405, contract.WRONG_METHOD)
    else:
        handler(request)


def stopping(request: Request) -> None:
    request.refuse(503, contract.SHUTTING_DOWN)


def calm_gc() -> None:
    """Collect less often, and never look at what was there at the start.

    Else everything that waits is walked again and again. Alike in all services: here
    it is worth little, in tornado an eighth of the CPU at 1000 users.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    loop = asyncio.get_running_loop()
    # As many as may connect in one instant (uvloop listens anew, the default is 100).
    server = await loop.create_server(Connection, sock=listener, backlog=4096)
    Connection.sweep()
    calm_gc()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    await stop.wait()
    await asyncio.sleep(0.1)  # what came before the signal may still be in the sockets' buffers
    server.close()
    Connection.is_stopping = True
    for connection in list(Connection.everyone):
        connection.work()
    for member in list(Member.everyone):
        member.close(CloseReason.GOING_AWAY)
    deadline = loop.time() + 30
    while (Connection.everyone or Member.everyone) and loop.time() < deadline:
        await asyncio.sleep(0.01)
    BACKEND.close()


def main() -> None:
    try:
        listener = socket.create_server((SETTINGS.host, SETTINGS.port), backlog=4096)
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    make_file()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until somebody can heed it
    make_file()
    if SETTINGS.workers == 1:
        uvloop.run(serve(listener))
        return
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=lambda: uvloop.run(serve(listener))) for _ in range(SETTINGS.workers)
    ]
    for worker in workers:
        worker.start()
    running = list(workers)

    def stop(*_: object) -> None:
        while running:
            running.pop().terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    multiprocessing.connection.wait([worker.sentinel for worker in workers])
    stop()  # one is gone: without it the service is not what it says
    for worker in workers:
        worker.join()
    sys.exit(max(abs(worker.exitcode) for worker in workers))


if __name__ == "__main__":
    main()
