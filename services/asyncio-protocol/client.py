"""Calls to the backend over kept connections: one is queued, started, and ended by its callback.

While the backend is slow, a `Call` in the table of deadlines is all there is.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from urllib.parse import urlsplit

import httptools

import contract
from bare.answer import Answer
from start import SETTINGS

Result = bytes | contract.Problem
Done = Callable[[Result], None]


class Call:
    """One call to the backend."""

    __slots__ = ("done", "head", "way")

    def __init__(self, head: bytes, done: Done) -> None:
        self.head = head
        self.done: Done | None = done  # None once it has ended
        # The connection, or the task that opens it; None while CONCURRENCY others are in flight.
        self.way: BackendConnection | asyncio.Task | None = None


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
        if self.idle:
            self.idle.popitem()[0].send(call)  # the one used last: it is the least likely stale
        else:
            self.connect(call)

    def connect(self, call: Call) -> None:
        """Send it on a new connection."""
        call.way = asyncio.get_running_loop().create_task(self.open(call))
        self.restart_timeout(call)

    async def open(self, call: Call) -> None:
        """The only coroutine here: asyncio has no callback for a connection that is there."""
        protocol = partial(BackendConnection, self, call)
        try:
            await asyncio.get_running_loop().create_connection(protocol, self.host, self.port)
        except OSError:
            self.end(call, contract.BackendBroken(SETTINGS))

    def end(self, call: Call, result: Result) -> None:
        """Give the result to whoever waits for it."""
        if done := call.done:
            self.release(call)
            done(result)

    def cancel(self, call: Call) -> None:
        """Forget a call that nobody waits for any more."""
        if call.done and call.way:
            call.way.cancel()
            self.release(call)
        call.done = None

    def release(self, call: Call) -> None:
        """Start the next one of the queue instead."""
        call.done = None
        self.deadlines.pop(call, None)
        while self.queue:
            following = self.queue.popleft()
            if following.done:  # not cancelled meanwhile
                self.start(following)
                return
        self.free += 1

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
            call.way.cancel()
            self.end(call, contract.BackendSlow(SETTINGS))
        self.timer = None

    def close(self) -> None:
        for connection in list(self.idle):
            connection.cancel()


class BackendConnection(Answer, asyncio.Protocol):
    """A kept connection: it has a `call`, or it is idle."""

    def __init__(self, backend: Backend, call: Call) -> None:
        self.backend = backend
        self.call: Call | None = call
        self.is_kept = False  # after its last answer

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)
        if self.call.done:
            self.send(self.call)
        else:
            self.cancel()

    def send(self, call: Call) -> None:
        self.call = call
        call.way = self
        self.was_kept, self.has_begun = self.is_kept, False
        self.expect()
        self.transport.write(call.head)
        self.backend.restart_timeout(call)

    def data_received(self, data: bytes) -> None:
        call = self.call
        if not call:  # nobody asked
            self.cancel()
            return
        self.has_begun = True
        try:
            self.parser.feed_data(data)
            if not self.is_complete:
                self.backend.restart_timeout(call)
                return
            is_good = self.is_good()
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            is_good = False
        self.call = None
        if is_good and self.is_kept:
            self.backend.idle[self] = None
        else:
            self.cancel()
        self.backend.end(call, self.body if is_good else contract.BackendBroken(SETTINGS))

    def connection_lost(self, error: Exception | None) -> None:
        self.backend.idle.pop(self, None)
        self.parser = None  # a reference cycle
        call, self.call = self.call, None
        if not call:
            return
        if self.was_kept and not self.has_begun:
            self.backend.connect(call)  # once more: this one was closed while it was idle
        else:
            self.backend.end(call, contract.BackendBroken(SETTINGS))

    def cancel(self) -> None:
        """Close it, whatever was to come."""
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
