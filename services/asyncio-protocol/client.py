"""Calls to the backend over kept connections: one is queued, started, and ended by its callback.

While the backend is slow, a `Call` in the table of deadlines is all there is.
"""

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from urllib.parse import urlsplit

import httptools

import contract
from start import SETTINGS

Result = bytes | contract.Problem
Done = Callable[[Result], None]


class Stage(Enum):
    """How far a call is."""

    QUEUED = auto()  # CONCURRENCY others are in flight
    STARTED = auto()
    ENDED = auto()  # `done` was called, or nobody waits for it any more


class Received(Enum):
    """How much of its answer a connection has."""

    NOTHING = auto()
    PART = auto()
    ALL = auto()
    GARBAGE = auto()  # or more than one answer


QUEUED, STARTED, ENDED = Stage  # an attribute of an Enum takes longer to look up
NOTHING, PART, ALL, GARBAGE = Received


class Call:
    """One call to the backend; `done` gets the body of the answer, or a Problem."""

    __slots__ = ("connection", "done", "head", "is_retry", "stage")

    def __init__(self, head: bytes, done: Done) -> None:
        self.head = head
        self.done = done
        self.stage = QUEUED
        self.is_retry = False
        self.connection: BackendConnection | asyncio.Task | None = None  # a task opens it


class Backend:
    """The pool of connections, the queue for them, and the deadlines of all calls."""

    def __init__(self) -> None:
        address = urlsplit(SETTINGS.backend_url)
        self.host, self.port, self.authority = address.hostname, address.port, address.netloc
        # Calls that may still start: one connection for each request in flight.
        self.free = SETTINGS.concurrency
        self.queue: deque[Call] = deque()
        self.idle: dict[BackendConnection, None] = {}
        # All calls have the same timeout: the first one here is the first to be too slow.
        self.deadlines: dict[Call, float] = {}
        self.timer: asyncio.TimerHandle | None = None

    def call(self, delay: str, request_id: str, done: Done) -> Call:
        """Ask; `done` is called with the body of the answer or with a Problem."""
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {self.authority}\r\n{identity}\r\n"
        call = Call(head.encode(), done)
        if self.free:
            self.free -= 1
            self.start(call)
        else:
            self.queue.append(call)
        return call

    def start(self, call: Call) -> None:
        call.stage = STARTED
        if self.idle:
            self.idle.popitem()[0].send(call)  # the one used last: it is the least likely stale
        else:
            self.connect(call)

    def connect(self, call: Call) -> None:
        # asyncio has no callback for a connection, but a task has one for its end.
        call.connection = asyncio.get_running_loop().create_task(self.open(call))
        call.connection.add_done_callback(partial(self.opened, call))

    async def open(self, call: Call) -> None:
        """Connect to the first of the backend's addresses that takes it within the timeout."""
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SETTINGS.backend_timeout_s):
            found = await loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        failure: OSError = OSError("no address")
        for family, _, _, _, address in found:
            try:
                async with asyncio.timeout(SETTINGS.backend_timeout_s):
                    protocol = partial(BackendConnection, self, call)
                    await loop.create_connection(protocol, *address[:2], family=family)
                    return
            except OSError as error:  # a TimeoutError is one, too
                failure = error
        raise failure

    def opened(self, call: Call, opening: asyncio.Task) -> None:
        """End the call where there is no connection; else that has sent it already."""
        if opening.cancelled() or not opening.exception():
            return
        is_slow = isinstance(opening.exception(), TimeoutError)
        self.end(call, (contract.BackendSlow if is_slow else contract.BackendBroken)(SETTINGS))

    def retry(self, call: Call) -> None:
        """Send it once more, on a new connection: nothing came back on the one that was closed."""
        if call.is_retry:
            self.end(call, contract.BackendBroken(SETTINGS))
            return
        call.is_retry = True
        self.deadlines.pop(call, None)
        self.connect(call)

    def end(self, call: Call, result: Result) -> None:
        """Start the next one of the queue, and give the result to whoever waits for it."""
        if call.stage is not STARTED:
            return
        call.stage = ENDED
        self.deadlines.pop(call, None)
        while self.queue:
            following = self.queue.popleft()
            if following.stage is QUEUED:  # not cancelled meanwhile
                self.start(following)
                break
        else:
            self.free += 1
        call.done(result)

    def cancel(self, call: Call) -> None:
        """Forget a call that nobody waits for any more."""
        if call.stage is STARTED:
            self.cut_off(call)
            call.done = ignore
            self.end(call, b"")
        call.stage = ENDED

    def cut_off(self, call: Call) -> None:
        if isinstance(call.connection, asyncio.Task):
            call.connection.cancel()
        else:
            call.connection.abort()

    def restart_timeout(self, call: Call) -> None:
        """BACKEND_TIMEOUT_S from now on, until something is received."""
        self.deadlines.pop(call, None)  # back in as the last one
        loop = asyncio.get_running_loop()
        self.deadlines[call] = loop.time() + SETTINGS.backend_timeout_s
        if not self.timer:
            self.timer = loop.call_later(SETTINGS.backend_timeout_s, self.sweep)

    def sweep(self) -> None:
        """End the calls that took too long, and come again when the next one may have."""
        loop = asyncio.get_running_loop()
        while self.deadlines:
            call, deadline = next(iter(self.deadlines.items()))
            if deadline > loop.time():
                self.timer = loop.call_at(deadline, self.sweep)
                return
            self.cut_off(call)
            self.end(call, contract.BackendSlow(SETTINGS))
        self.timer = None

    def close(self) -> None:
        for connection in list(self.idle):
            connection.abort()


class BackendConnection(asyncio.Protocol):
    """A kept connection: it has a `call`, or it is idle."""

    def __init__(self, backend: Backend, call: Call) -> None:
        self.backend = backend
        self.call: Call | None = call

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        if self.call.stage is STARTED:
            self.send(self.call)
        else:
            self.abort()

    def send(self, call: Call) -> None:
        self.call = call
        call.connection = self
        self.body = b""
        self.received = NOTHING
        self.transport.write(call.head)
        self.backend.restart_timeout(call)

    def data_received(self, data: bytes) -> None:
        call = self.call
        if not call:  # nobody asked
            self.abort()
            return
        self.received = PART
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.received = GARBAGE
        if self.received is PART:
            self.backend.restart_timeout(call)
            return
        is_good = self.received is ALL and self.parser.get_status_code() == 200
        self.call = None
        if self.received is ALL and self.is_kept:
            self.backend.idle[self] = None
        else:
            self.abort()
        self.backend.end(call, self.body if is_good else contract.BackendBroken(SETTINGS))

    def on_message_begin(self) -> None:
        if self.received is ALL:
            self.received = GARBAGE

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        if self.received is PART:
            self.received = ALL
        self.is_kept = self.parser.should_keep_alive()

    def eof_received(self) -> None:
        self.backend.idle.pop(self, None)

    def connection_lost(self, error: Exception | None) -> None:
        self.backend.idle.pop(self, None)
        self.parser = None  # a reference cycle
        call, self.call = self.call, None
        if not call:
            return
        if self.received is NOTHING:
            self.backend.retry(call)
        else:
            self.backend.end(call, contract.BackendBroken(SETTINGS))

    def abort(self) -> None:
        self.call = None
        self.backend.idle.pop(self, None)
        self.transport.abort()


class Together:
    """Several calls at once: `done` gets the list of their answers, or the first Problem."""

    def __init__(self, backend: Backend, delay: str, ids: list[str], done: Callable) -> None:
        self.backend = backend
        self.done = done
        self.answers = [b""] * len(ids)
        self.missing = len(ids)
        self.calls = [
            backend.call(delay, call_id, partial(self.one, place))
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
            self.backend.cancel(call)


def checked(result: Result | list[bytes]) -> Result | list[bytes]:
    """The result of a call, or of several; raises it where it is a Problem."""
    if isinstance(result, contract.Problem):
        raise result
    return result


def ignore(result: Result) -> None:
    """For a result that nobody waits for."""
