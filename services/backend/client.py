"""One client's connection, whatever it speaks: writing to it, bounds, silence and its end."""

from __future__ import annotations

import asyncio
import os
from time import monotonic
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from app import Backend

SILENT_SWEEPS = 2  # so many sweeps without progress end a half-sent request, or an unread answer
IDLE_SWEEPS = 20  # and so many a connection with nothing to do
MAX_PIPELINED = 64
LINGER_S = 1.0


class Client(asyncio.Protocol):
    """What connections have in common; it is a `delays.Caller` once it can `complete`.

    Nearly always `plain`: nothing is known of it but perhaps one call that is
    `held`. What came in pieces or too early is in `_buffer`.
    """

    __slots__ = (
        "_backend", "_buffer", "_closing", "_direct", "_hung_up", "_paused", "_silence", "_stats",
        "_transport", "_usual", "gone", "held", "plain",
    )  # fmt: skip

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._stats = backend.delays.stats
        self._usual = backend.usual
        self._buffer = bytearray()
        self._silence = 0  # sweeps since the last request
        self._paused = False  # the client does not read its answers
        self._closing = False  # no further request is taken
        self._hung_up = False  # and all are answered
        self.gone = False
        self.held = False
        self.plain = not backend.draining

    def _take(self) -> bool:
        """Take one request out of the buffer; False where no whole one is in it."""
        raise NotImplementedError

    def _in_line(self) -> int:
        """How many answers are still to be given."""
        raise NotImplementedError

    def _calls(self) -> int:
        """How many of them are those of calls."""
        raise NotImplementedError

    def _unfinished(self) -> bool:
        """Whether the rest of a request is still to come."""
        return bool(self._buffer)

    def _time_out(self) -> None:
        """End the connection of a client that does not finish its request."""
        raise NotImplementedError

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._direct = transport.get_extra_info("socket").fileno()
        self._backend.clients.add(self)

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

    def _count(self, asked_s: float, due: float) -> None:
        late_s = monotonic() - due
        self._stats.count_answered(1, asked_s, late_s, late_s)

    def _work(self) -> None:
        """Take requests out of the buffer, as many as one client may have in line."""
        while self._buffer and not self._closing and not self._bound() and self._take():
            pass
        self._settle()

    def _bound(self) -> bool:
        return self._paused or self._in_line() >= MAX_PIPELINED

    def _settle(self) -> None:
        """Decide how to go on when nothing more can be taken out of the buffer."""
        if self._closing:
            self._buffer.clear()
        in_line = self._in_line()
        if not (in_line or self._buffer) and (self._closing or self._backend.draining):
            self._hang_up()
        elif self._bound() and not self._closing:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()
        self.plain = not (
            in_line > self.held or self._unfinished() or self._paused or self._closing or self.gone
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
        self._backend.clients.discard(self)
        if self._backend.draining and not self._backend.clients:
            self._backend.finish()

    def _abandon(self) -> None:
        """The client hung up, perhaps before it had all its answers."""
        if self.gone:
            return
        calls = self._calls()
        self.gone = self._closing = True
        self.plain = self.held = False
        self._direct = -1
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
        if self._in_line() and not self._paused:
            return
        self._silence += 1
        unfinished = self._unfinished() or self._paused or self._closing
        if self._silence <= (SILENT_SWEEPS if unfinished else IDLE_SWEEPS):
            return
        if self._paused or self._closing:
            self._transport.abort()
        elif unfinished:
            self._time_out()
        else:
            self._transport.close()
