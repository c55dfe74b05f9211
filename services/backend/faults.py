"""Faults on purpose, for a while: calls that are spoilt, a listener that takes no connections.

A call is spoilt when its answer is due, so that the load stays as it was. As long as a fault
lasts all requests go the strict path; the fast path knows nothing of faults.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

from delays import GONE, IDLE, Lane
from message import Request, respond

import contract

if TYPE_CHECKING:
    from app import Backend
    from connection import Connection

SLOW_S = 10.0
TRICKLE_S = 1.0  # from one byte to the next
IDLE_S = 0.02  # a connection may idle for, at most, where idle ones are closed
HUGE_BYTES = 100_000_000
EXCESS_BYTES = 10  # that a wrong Content-Length announces and that never come
GARBAGE = b"\x00\x01\x02 what?\r\n\r\n"
NOT_ASKED_FOR = b'{"delay":0,"id":"nobody"}'
ON_PURPOSE = contract.error_body("a fault on purpose")

_share = re.compile(r"(?:0|1)(?:\.[0-9]{1,6})?").fullmatch
_length = re.compile(rb"(?<=\r\nContent-Length: )[0-9]+")


class Spoilt(bytes):
    """An answer that is not simply sent: `kind` says how it comes about."""

    kind: Kind


# Sends an answer its own way; False where the call stays unanswered.
Act = Callable[["Faults", "Connection", bytes], bool]


@dataclass(frozen=True)
class Kind:
    """A kind of fault: how an answer is sent, with another status, or so much later.

    Without `act` it is the listener that fails, which no share of the calls can tell.
    """

    act: Act | None = None
    status: int = 200
    later_s: float = 0.0


def _sent(faults: Faults, connection: Connection, answer: bytes) -> bool:
    connection.write(answer)
    return True


def _broken_off(length: Callable[[bytes], int], *, is_reset: bool) -> Act:
    """Send so many bytes of the answer and end the connection."""

    def act(faults: Faults, connection: Connection, answer: bytes) -> bool:
        if part := answer[: length(answer)]:
            connection.write(part)
        connection.end(is_reset)
        return True

    return act


def _head_bytes(answer: bytes) -> int:
    return answer.index(b"\r\n\r\n") + 4


def _idle_closed(faults: Faults, connection: Connection, answer: bytes) -> bool:
    """Answer, and close the connection soon, unless it is used again by then."""
    connection.write(answer)

    def close() -> None:
        if connection.state is IDLE:
            connection.transport.close()

    faults.backend.loop.call_later(faults.random.uniform(0, IDLE_S), close)
    return True


def _garbled(faults: Faults, connection: Connection, answer: bytes) -> bool:
    connection.write(GARBAGE)
    connection.end(is_reset=False)
    return True


def _too_long(faults: Faults, connection: Connection, answer: bytes) -> bool:
    """Announce more than there is, and leave the connection open."""
    connection.write(_length.sub(lambda found: b"%d" % (int(found[0]) + EXCESS_BYTES), answer, 1))
    return True


def _silent(faults: Faults, connection: Connection, answer: bytes) -> bool:
    faults.held.add(connection)
    return False


def _trickling(faults: Faults, connection: Connection, answer: bytes) -> bool:
    """Send a byte now and then, until the caller hangs up or the fault ends."""
    faults.held.add(connection)

    def send(sent: int) -> None:
        if connection in faults.held and connection.state is not GONE and sent < len(answer):
            connection.write(answer[sent : sent + 1])
            faults.backend.loop.call_later(TRICKLE_S, send, sent + 1)

    send(0)
    return False


def _twice(faults: Faults, connection: Connection, answer: bytes) -> bool:
    """Answer, and answer once more what nobody asked."""
    head = _length.sub(b"%d" % len(NOT_ASKED_FOR), answer[: _head_bytes(answer)], 1)
    connection.write(answer + head + NOT_ASKED_FOR)
    return True


def _huge(faults: Faults, connection: Connection, answer: bytes) -> bool:
    """The same JSON with so many spaces in it."""
    head = _head_bytes(answer)
    fill = memoryview(faults.fill)[: HUGE_BYTES - (len(answer) - head)]
    start = _length.sub(b"%d" % HUGE_BYTES, answer[:head], 1) + answer[head:-1]
    connection.write_large(start, fill, answer[-1:])
    faults.is_huge_due = False
    return True


KINDS = {
    "refuse": Kind(),
    "reset-before-head": Kind(_broken_off(lambda answer: 0, is_reset=True)),
    "reset-in-head": Kind(_broken_off(lambda answer: _head_bytes(answer) // 2, is_reset=True)),
    "reset-after-head": Kind(_broken_off(_head_bytes, is_reset=True)),
    "close-idle": Kind(_idle_closed),
    "500": Kind(_sent, status=500),
    "503": Kind(_sent, status=503),
    "garbled-head": Kind(_garbled),
    "wrong-length": Kind(_too_long),
    "cut-body": Kind(_broken_off(lambda answer: len(answer) - 3, is_reset=False)),
    "silent": Kind(_silent),
    "trickle": Kind(_trickling),
    "slow": Kind(_sent, later_s=SLOW_S),
    "two-answers": Kind(_twice),
    "huge-body": Kind(_huge),
    "full-backlog": Kind(),
}
BAD_FAULT = (
    "POST /fault/KIND/SHARE/S: KIND is one of " + ", ".join(KINDS) + "; SHARE of the calls a "
    "decimal number from 0 to 1, and 1 for refuse and full-backlog; S seconds from 0 to 60"
)


class Faults:
    """The fault there is at the moment, if any."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.kind: Kind | None = None
        self.share = 0.0
        self.random = Random(0)
        self.held: set[Connection] = set()  # those that wait for what never comes
        self.fill = b""
        self.huge: Connection | None = None
        self.is_huge_due = False
        self._ending: asyncio.TimerHandle | None = None

    def begin(self, text: str, asker: Connection) -> None:
        """Begin the fault KIND/SHARE/S in the place of the one there is; contract.Problem if bad.

        Where the listener fails all connections end, but for the asker's, which can end it.
        """
        name, share, seconds = (*text.split("/"), "", "")[:3]
        kind = KINDS.get(name)
        try:
            contract.checked_delay(seconds)
        except contract.Problem:
            kind = None
        is_part = text.count("/") == 2 and _share(share) and float(share) <= 1
        if not kind or not is_part or (not kind.act and float(share) < 1):
            raise contract.Problem(400, BAD_FAULT)
        self.end()
        self.kind, self.share, self.random = kind, float(share), Random(name)
        self.backend.usual.clear()  # so all requests go the strict path
        if kind.act is _huge:
            self.fill = b" " * HUGE_BYTES
        if kind.act is None:
            door = self.backend.door
            (door.refuse if name == "refuse" else door.fill)()
            for connection in self.backend.connections - {asker}:
                connection.end(is_reset=True)
        self._ending = self.backend.loop.call_later(float(seconds), self.end)

    def end(self) -> None:
        """Be healthy again: what waits for something that never comes is reset."""
        if self._ending:
            self._ending.cancel()
        if self.kind and not self.kind.act and not self.backend.draining:
            self.backend.door.reopen()
        self.kind, self.fill = None, b""
        self.huge, self.is_huge_due = None, False
        while self.held:
            self.held.pop().end(is_reset=True)

    def spoil(
        self, connection: Connection, request: Request, answer: bytes, lane: Lane
    ) -> tuple[bytes, Lane]:
        """The answer to a call, and its lane, as they are or spoilt: a share of them, drawn."""
        kind = self.kind
        if kind is None or kind.act is None or self.random.random() >= self.share:
            return answer, lane
        if kind.act is _huge:
            if self._is_busy():
                return answer, lane
            self.huge, self.is_huge_due = connection, True
        if kind.status != 200:
            answer = respond(kind.status, ON_PURPOSE, request)
        spoilt = Spoilt(answer)
        spoilt.kind = kind
        return spoilt, self.backend.delays.lane(lane.seconds + kind.later_s)

    def _is_busy(self) -> bool:
        """True while a huge answer is due or being sent."""
        huge = self.huge
        if huge is None or huge.state is GONE:
            return False
        return self.is_huge_due or huge.transport.get_write_buffer_size() > 0

    def act(self, connection: Connection, answer: Spoilt) -> bool:
        """Send a spoilt answer; False where the call stays unanswered.

        Where the fault has ended in the meantime it is sent as any other.
        """
        act = answer.kind.act
        if answer.kind is not self.kind or act is None:
            act = _sent
        return act(self, connection, answer)
