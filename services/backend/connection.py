"""One HTTP connection: a fast path for the usual request, and a strict one for all others."""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING, cast

import message
from delays import Lane

from contract import error_body

if TYPE_CHECKING:
    from app import Backend

SILENT_SWEEPS = 2  # so many sweeps without progress end a half-sent request, or an unread answer
IDLE_SWEEPS = 20  # and so many a connection with nothing to do
MAX_PIPELINED = 64
LINGER_S = 1.0

# A whole delay request as HTTP clients usually write it. It takes a part of what
# message.parse takes, to the same effect: see tests/backend/test_backend_same_answers.py.
_harmless = (
    rb"(?:(?:(?i:user-agent|accept|accept-encoding|accept-language): [ -~]{0,200}"
    rb"|(?i:connection: keep-alive))\r\n){0,8}+"
)
_id = rb"(?:(?i:x-request-id): ([A-Za-z0-9._:-]{1,64})\r\n)?+"
_usual = re.compile(
    rb"GET /delay/([0-9.]{1,9}) HTTP/1\.1\r\n"
    + (_harmless + _id + _harmless)
    + rb"(?i:host): [A-Za-z0-9._:\[\]-]{1,200}\r\n"
    + (_harmless + rb"(?(2)|" + _id + rb")" + _harmless)
    + rb"\r\n"
).fullmatch


class Slot:
    """An answer in the line of a connection whose client did not wait for the one before."""

    __slots__ = ("answer", "asked_s", "due", "is_call", "ready")

    def __init__(self, answer: bytes, lane: Lane | None) -> None:
        self.answer = answer
        self.is_call = lane is not None
        self.asked_s = lane.seconds if lane else 0.0
        self.due = monotonic() + self.asked_s
        self.ready = not self.asked_s


class Connection(asyncio.Protocol):
    """One client.

    Nearly always `plain`: nothing is known of it but perhaps one call that is
    `held`. A client that does not wait for its answers has a `_line` of those
    that follow, a request that came in pieces or too early is in `_buffer`.
    """

    __slots__ = (
        "_backend", "_buffer", "_closing", "_direct", "_hung_up", "_line", "_paused", "_silence",
        "_skip", "_stats", "_transport", "_usual", "gone", "held", "plain",
    )  # fmt: skip

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._stats = backend.delays.stats
        self._usual = backend.usual
        self._buffer = bytearray()
        self._line: deque[Slot] = deque()
        self._skip = 0  # bytes of a request's body still to come
        self._silence = 0  # sweeps since the last request
        self._paused = False  # the client does not read its answers
        self._closing = False  # no further request is taken
        self._hung_up = False  # and all are answered
        self.gone = False
        self.held = False
        self.plain = not backend.draining

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._direct = transport.get_extra_info("socket").fileno()
        self._backend.connections.add(self)

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
        self._transport.write(answer)

    def data_received(self, data: bytes) -> None:
        if self.plain and not self.held:
            request = _usual(data)
            if request:
                text, before, after = request.groups(b"")
                known = self._usual.get(text)
                if known:
                    lane, heads = known
                    self._silence = 0
                    self._stats.calls += 1
                    request_id = before or after
                    answer = heads[len(request_id)] + request_id + b'"}'
                    if lane.seconds:
                        self.held = True
                        lane.hold(self, answer)
                    else:
                        self._stats.answered += 1
                        self.write(answer)
                    return
        if not self._closing:
            self._buffer += data
            self._work()

    def complete(self, answer: bytes | Slot, asked_s: float, due: float) -> None:
        """Send a held call's answer as soon as those before it are sent."""
        if isinstance(answer, Slot):
            answer.ready = True
        else:
            self.held = False
            self._count(asked_s, due)
            self.write(answer)
        while self._line and self._line[0].ready and not self.held:
            slot = self._line.popleft()
            if slot.is_call:
                self._count(slot.asked_s, slot.due)
            self.write(slot.answer)
        self._work()

    def _count(self, asked_s: float, due: float) -> None:
        late_s = monotonic() - due
        self._stats.count_answered(1, asked_s, late_s, late_s)

    def _work(self) -> None:
        """Take requests out of the buffer, as many as one client may have in line."""
        while not self._closing:
            if self._skip:
                skipped = min(self._skip, len(self._buffer))
                del self._buffer[:skipped]
                self._skip -= skipped
            if self._bound() or not self._buffer:
                break
            try:
                request = message.take(self._buffer)
            except message.Refused as refusal:
                self._refuse(refusal.status, refusal.text)
                break
            if request is None:
                break
            if self._backend.draining:
                request = replace(request, keep_alive=False)
            self._silence = 0
            self._skip = request.body_bytes
            self._closing = not request.keep_alive
            self._put(*self._backend.reply(request))
        self._settle()

    def _bound(self) -> bool:
        return self._paused or len(self._line) >= MAX_PIPELINED

    def _refuse(self, status: int, text: str) -> None:
        self._closing = True
        self._put(message.respond(status, error_body(text), None), None)

    def _put(self, answer: bytes, lane: Lane | None) -> None:
        """Send an answer, hold it, or put it in line."""
        if lane:
            self._stats.calls += 1
        if self.held or self._line:
            slot = Slot(answer, lane)
            self._line.append(slot)
            if lane and not slot.ready:
                lane.hold(self, slot)
        elif lane and lane.seconds:
            self.held = True
            lane.hold(self, answer)
        else:
            if lane:
                self._stats.answered += 1
            self.write(answer)

    def _settle(self) -> None:
        """Decide how to go on when nothing more can be taken out of the buffer."""
        if self._closing:
            self._buffer.clear()
        waiting = self.held or self._line or self._buffer
        if not waiting and (self._closing or self._backend.draining):
            self._hang_up()
        elif self._bound() and not self._closing:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        self.plain = not (
            self._buffer or self._line or self._skip or self._paused or self._closing or self.gone
            or self._backend.draining
        )  # fmt: skip

    def _hang_up(self) -> None:
        """Close. A client still sending reads its answer first: so its bytes are read, too."""
        if self._hung_up:
            return
        self._hung_up = self._closing = True
        if self._backend.draining:
            self._transport.close()
        else:
            self._transport.write_eof()
            self._backend.loop.call_later(LINGER_S, self._transport.close)

    def pause_writing(self) -> None:
        self._paused = True
        self.plain = False
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._paused = False
        self._work()

    def eof_received(self) -> None:
        self._abandon()

    def connection_lost(self, exc: Exception | None) -> None:
        self._abandon()
        self._backend.connections.discard(self)
        if self._backend.draining and not self._backend.connections:
            self._backend.finish()

    def _abandon(self) -> None:
        """The client hung up, perhaps before it had all its answers."""
        if self.gone:
            return
        calls = self.held + sum(slot.is_call for slot in self._line)
        self.gone = self._closing = True
        self.plain = self.held = False
        self._direct = -1
        self._line.clear()
        self._buffer.clear()
        if calls:
            self._backend.delays.abandon(calls)

    def drain(self) -> None:
        """From now on every request is the last one."""
        self.plain = False

    def close_if_idle(self) -> None:
        """Close unless an answer or the rest of a request is still to come."""
        self._settle()

    def sweep(self) -> None:
        """Close after too long a silence."""
        if (self.held or self._line) and not self._paused:
            return
        self._silence += 1
        unfinished = self._buffer or self._skip or self._paused or self._closing
        if self._silence <= (SILENT_SWEEPS if unfinished else IDLE_SWEEPS):
            return
        if self._paused or self._closing:
            self._transport.abort()
        elif unfinished:
            self._refuse(408, "request not finished in time")
            self._settle()
        else:
            self._transport.close()
