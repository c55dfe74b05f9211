"""One HTTP connection: the fast path, for a client that sends usual requests one at a time."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import TYPE_CHECKING, cast

from delays import GONE, HELD, IDLE, STRICT, Lane
from message import usual_request
from strict import ENDED, IDLE_SWEEPS, LINGERING, Strict

if TYPE_CHECKING:
    from app import Backend

AT_ONCE = struct.pack("ii", 1, 0)  # SO_LINGER: what closes the socket resets the connection


class Connection(asyncio.Protocol):
    """One client, a `delays.Caller`: `IDLE`, or one call of it is `HELD`.

    Where anything else happens its `state` is `STRICT`, and `strict` decides.
    """

    __slots__ = (
        "_direct",
        "_stats",
        "_usual",
        "backend",
        "idle_sweeps",
        "state",
        "strict",
        "transport",
    )  # fmt: skip

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.state = IDLE
        self.strict: Strict | None = None  # since the first time that it had to decide
        self.idle_sweeps = 0  # since the last request
        self._stats = backend.delays.stats
        self._usual = backend.usual

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._direct = transport.get_extra_info("socket").fileno()
        self.backend.connections.add(self)
        if self.backend.draining:
            self.be_strict()

    def data_received(self, data: bytes) -> None:
        if self.state is IDLE:
            request = usual_request(data)
            if request:
                text, before, after = request.groups(b"")
                known = self._usual.get(text)
                if known:
                    lane, heads = known
                    self.idle_sweeps = 0
                    self._stats.calls += 1
                    request_id = before or after
                    answer = heads[len(request_id)] + request_id + b'"}'
                    if lane.at_once:
                        self._stats.answered += 1
                        self.write(answer)
                    else:
                        self.hold(answer, lane)
                    return
        self.be_strict().receive(data)

    def hold(self, answer: bytes, lane: Lane) -> None:
        """Have the answer sent once the delay has passed."""
        self.state = HELD
        lane.hold(self, answer)

    def write(self, answer: bytes) -> None:
        """Send an answer, by a system call of our own as long as the client keeps up.

        A transport does the same with more objects between, which at thousands
        of connections are out of the processor's cache. The descriptor is good
        until `connection_lost`: uvloop closes it after that.
        """
        if self._direct >= 0:
            try:
                sent = os.write(self._direct, answer)
            except OSError:
                sent = 0  # a full buffer or a lost connection: the transport knows how to go on
            if sent == len(answer):
                return
            self._direct = -1
            answer = answer[sent:]
        self.transport.write(answer)

    def write_large(self, *parts: bytes | memoryview) -> None:
        """Send more than the system takes at once, without a copy of it."""
        self._direct = -1
        for part in parts:
            self.transport.write(part)

    def is_left(self) -> bool:
        """True if the client sends nothing more: it has closed the connection, or its direction."""
        return self.strict is not None and self.strict.intake is ENDED

    def end(self, is_reset: bool) -> None:
        """End it after what was sent, where `is_reset` by a reset instead of an end of data."""
        if self.state is GONE or self.transport.is_closing():
            return
        self.be_strict().intake = LINGERING
        if is_reset:
            descriptor: int = self.transport.get_extra_info("socket").fileno()
            with socket.socket(fileno=os.dup(descriptor)) as same:  # uvloop's cannot be set
                same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self.transport.abort()
        else:
            self.transport.close()

    def complete(self, answer: bytes, asked_s: float, due: float) -> None:
        """Send the answer to the call that was held before `strict` had to decide."""
        assert self.strict
        self.strict.queue[0].complete(answer, asked_s, due)

    def be_strict(self) -> Strict:
        """Let `strict` decide, until it sets the state back to IDLE."""
        if self.strict is None:
            self.strict = Strict(self)
        if self.state is HELD:
            self.strict.queue_held()
        self.state = STRICT
        return self.strict

    def pause_writing(self) -> None:
        self.be_strict().pause_writing()

    def resume_writing(self) -> None:
        self.be_strict().resume_writing()

    def eof_received(self) -> bool:
        """True to stay open: the client may only have nothing more to send."""
        return self.state is not IDLE and self.be_strict().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        abandoned = 1 if self.state is HELD else self.strict.lose() if self.strict else 0
        self.state = GONE
        self.strict = None  # a reference cycle
        self._direct = -1
        if abandoned:
            self.backend.delays.abandon(abandoned)
        self.backend.connections.discard(self)
        if self.backend.draining and not self.backend.connections:
            self.backend.finish()

    def drain(self) -> None:
        """Make every further request the last one."""
        self.be_strict().drain()

    def close_if_idle(self) -> None:
        """Close unless an answer or the rest of a request is still to come."""
        self.be_strict().settle()

    def sweep(self) -> None:
        """Close after too long without progress."""
        if self.state is HELD:
            return
        self.idle_sweeps += 1
        if self.state is STRICT:
            self.be_strict().sweep(self.idle_sweeps)
        elif self.idle_sweeps > IDLE_SWEEPS:
            self.transport.close()
