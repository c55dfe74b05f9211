"""The strict path of a connection: whatever is not one usual request after the other.

Requests in pieces or in several at once, with bodies or other headers; refusals; clients
that do not read or that end their direction; the end.
"""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from enum import Enum, auto
from time import monotonic
from typing import TYPE_CHECKING

from delays import GONE, IDLE, STRICT, Lane
from faults import Spoilt
from message import Refused, respond, take

from contract import error_body

if TYPE_CHECKING:
    from connection import Connection

STUCK_SWEEPS = 2  # that a request may be unfinished, or an answer unread
IDLE_SWEEPS = 20  # that a connection may have nothing to do
MAX_PIPELINED = 64
LINGER_S = 1.0


class Intake(Enum):
    """How much is still taken from the client."""

    OPEN = auto()  # requests
    ENDED = auto()  # those that have come: it has ended its direction
    CLOSED = auto()  # none: after the answers that are due the connection ends
    LINGERING = auto()  # none, and all are answered: it has some time to read them


OPEN, ENDED, CLOSED, LINGERING = Intake  # an attribute of an Enum takes longer to look up


class Slot:
    """The place of an answer in the queue of its connection; a `delays.Caller`, too."""

    __slots__ = ("answer", "asked_s", "due", "is_call", "is_ready", "state", "strict")

    def __init__(self, strict: Strict, is_call: bool) -> None:
        self.strict = strict
        self.is_call = is_call
        self.is_ready = False
        self.state = STRICT

    def set(self, answer: bytes, asked_s: float = 0.0, due: float = 0.0) -> None:
        """Have it sent once those before it are."""
        self.answer, self.asked_s, self.due = answer, asked_s, due
        self.is_ready = True

    def complete(self, answer: bytes, asked_s: float, due: float) -> None:
        """The call's delay has passed."""
        self.set(answer, asked_s, due)
        self.strict.work()


class Strict:
    """The bytes that a connection has received and not taken yet, and the answers that it owes."""

    __slots__ = (
        "backend", "buffer", "can_write", "connection", "intake", "is_reading", "queue", "skip",
    )  # fmt: skip

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.backend = connection.backend
        self.intake = OPEN
        self.buffer = bytearray()
        self.skip = 0  # bytes of a request's body still to come
        self.queue: deque[Slot] = deque()
        self.is_reading = True
        self.can_write = True

    def receive(self, data: bytes) -> None:
        """Take what has come."""
        if self.intake is OPEN:
            self.buffer += data
            self.work()

    def queue_held(self) -> None:
        """Queue the call that the fast path held; its answer comes through the connection."""
        self.queue.append(Slot(self, is_call=True))

    def work(self) -> None:
        """Send what is ready, take requests as long as one may, and decide how to go on."""
        self._send()
        while self.buffer and self._takes() and not self._is_full() and self._take():
            if self.queue:
                self._send()
        if self.intake is ENDED and not self._is_full():
            self.buffer.clear()  # it will never be a request
        self.settle()

    def settle(self) -> None:
        """Decide how to go on once nothing more can be taken."""
        if not self._takes():
            self.buffer.clear()
        if self._is_quiet():
            self._set_reading(True)
            if self.connection.state is STRICT:  # not HELD
                self.connection.state = IDLE
        elif (
            not self.queue
            and not self.buffer
            and (self.intake is not OPEN or self.backend.draining)
        ):
            self._hang_up()
        else:
            self._set_reading(self.intake is not OPEN or not self._is_full())

    def _is_quiet(self) -> bool:
        """True if the fast path can go on."""
        return not (
            self.queue or self.buffer or self.skip or self.intake is not OPEN
            or not self.can_write or self.backend.draining
        )  # fmt: skip

    def _takes(self) -> bool:
        return self.intake is OPEN or self.intake is ENDED

    def _is_full(self) -> bool:
        return not self.can_write or len(self.queue) >= MAX_PIPELINED

    def _set_reading(self, wanted: bool) -> None:
        if self.is_reading is not wanted:
            self.is_reading = wanted
            transport = self.connection.transport
            (transport.resume_reading if wanted else transport.pause_reading)()

    def _send(self) -> None:
        """Send the answers that are ready, as far as none before them is missing."""
        stats = self.backend.delays.stats
        while self.queue and self.queue[0].is_ready and self.intake is not LINGERING:
            slot = self.queue[0]
            if isinstance(slot.answer, Spoilt):
                slot.is_ready = False
                if self.backend.faults.act(self.connection, slot.answer):
                    self.queue.popleft()
                    stats.count_failed(slot.is_call)
                continue
            self.queue.popleft()
            if slot.is_call:
                late_s = monotonic() - slot.due
                stats.count_answered(1, slot.asked_s, late_s, late_s)
            self.connection.write(slot.answer)

    def _take(self) -> bool:
        """Take one request out of the buffer; False where no whole one is in it."""
        if self.skip:
            skipped = min(self.skip, len(self.buffer))
            del self.buffer[:skipped]
            self.skip -= skipped
            return True
        try:
            request = take(self.buffer)
        except Refused as refusal:
            self._refuse(refusal.status, refusal.text)
            return True
        if request is None:
            return False
        if self.backend.draining:
            request = replace(request, keep_alive=False)
        self.connection.idle_sweeps = 0
        self.skip = request.body_bytes
        if not request.keep_alive:
            self.intake = CLOSED
        self._put(*self.backend.reply(request, self.connection))
        return True

    def _refuse(self, status: int, text: str) -> None:
        self.intake = CLOSED
        self._put(respond(status, error_body(text), None), None)

    def _put(self, answer: bytes, lane: Lane | None) -> None:
        """Send an answer, hold it, or queue it."""
        stats, is_call = self.backend.delays.stats, lane is not None
        stats.calls += is_call
        is_due = lane is None or lane.at_once
        is_spoilt = isinstance(answer, Spoilt)
        if not self.queue and is_due and not is_spoilt:
            stats.answered += is_call
            self.connection.write(answer)
        elif lane and not is_due and not is_spoilt and self._is_quiet():
            self.connection.hold(answer, lane)
        else:
            slot = Slot(self, is_call)
            self.queue.append(slot)
            if is_due:
                slot.set(answer, due=monotonic())
            else:
                lane.hold(slot, answer)

    def _hang_up(self) -> None:
        """Close. A client still sending reads its answer first: so its bytes are read, too."""
        if self.intake is LINGERING:
            return
        transport = self.connection.transport
        is_sending = self.intake is not ENDED
        self.intake = LINGERING
        if self.backend.draining or not is_sending:
            transport.close()
        else:
            self._set_reading(True)
            transport.write_eof()
            self.backend.loop.call_later(LINGER_S, transport.close)

    def pause_writing(self) -> None:
        """Take nothing more while the client does not read."""
        self.can_write = False
        self._set_reading(self.intake is not OPEN)

    def resume_writing(self) -> None:
        """Go on: it has read."""
        self.can_write = True
        self.work()

    def eof_received(self) -> bool:
        """Answer what the client has asked, though it may be gone; its calls count as abandoned."""
        if self.intake is LINGERING:
            return False
        self.intake = ENDED  # also where it was CLOSED: nothing is in the buffer then
        calls = [slot for slot in self.queue if slot.is_call]
        for slot in calls:
            slot.is_call = False
        if calls:
            self.backend.delays.abandon(len(calls))
        self.work()
        return bool(self.queue or self.buffer)

    def drain(self) -> None:
        """Do not wait for a client that may be gone."""
        if self.intake is ENDED:
            self.connection.transport.close()

    def lose(self) -> int:
        """Forget the client; the number of its calls that were not answered."""
        for slot in self.queue:
            slot.state = GONE
        abandoned = sum(slot.is_call for slot in self.queue)
        self.queue.clear()
        self.buffer.clear()
        return abandoned

    def sweep(self, sweeps: int) -> None:
        """End a connection that made no progress in so many sweeps."""
        if self.queue and self.can_write:
            return
        is_unfinished = bool(self.buffer or self.skip)
        is_stuck = not self.can_write or self.intake is not OPEN
        if sweeps <= (STUCK_SWEEPS if is_unfinished or is_stuck else IDLE_SWEEPS):
            return
        if is_stuck:
            self.connection.transport.abort()
        elif is_unfinished:
            self._refuse(408, "request not finished in time")
            self.work()
        else:
            self.connection.transport.close()
