"""A WebSocket client that reads only when it is told to; frames by wsproto."""

from __future__ import annotations

import base64
import hashlib
import os
import struct
import time
from collections.abc import Sequence
from types import TracebackType

from wsproto.connection import CLIENT
from wsproto.connection import Connection as Frames
from wsproto.events import CloseConnection, Event, Ping, Pong, TextMessage

from tests.contract.client import TIMEOUT_S, Answer, Connection, Headers

GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3
GREETING = "anybody there?"
CONTINUATION, TEXT, BINARY, PING = 0, 1, 2, 9


class Member:
    """One connection to `/chat`; `receive_bytes` as in Connection."""

    def __init__(self, url: str, receive_bytes: int = 0, timeout_s: float = TIMEOUT_S) -> None:
        self._connection = Connection(url, timeout_s, receive_bytes)
        self._timeout_s = timeout_s
        key = base64.b64encode(os.urandom(16)).decode()
        answer = self._connection.ask("/chat", headers=handshake(key))
        assert answer.status == 101, answer
        check_handshake(answer, key)
        self._frames = Frames(CLIENT, trailing_data=self._connection.rest())
        self._events: list[Event] = []
        self._unfinished = ""
        self._greeted = False
        self.heard: list[str] = []
        self.received_bytes = 0

    def __enter__(self) -> Member:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._connection.socket.close()

    def say(self, *texts: str) -> None:
        """Send a message each."""
        self.send_bytes(b"".join(frame(TEXT, text.encode()) for text in texts))

    def send_bytes(self, data: bytes) -> None:
        """Send frames as they are."""
        self._connection.send_bytes(data)

    def hears(self, count: int = 1) -> list[str]:
        """The next messages, so many; AssertionError where the connection ends before."""
        while len(self.heard) < count:
            event = self._next()
            assert not isinstance(event, CloseConnection), event
        taken, self.heard = self.heard[:count], self.heard[count:]
        return taken

    def is_greeted(self, within_s: float) -> bool:
        """True once GREETING came, which is no message to `hears`."""
        self._connection.socket.settimeout(within_s)
        try:
            while not self._greeted:
                assert not isinstance(event := self._next(), CloseConnection), event
        except TimeoutError:
            return False
        finally:
            self._connection.socket.settimeout(self._timeout_s)
        return True

    def pong(self) -> bytes:
        """The payload of the next pong."""
        event = self._next()
        while not isinstance(event, Pong):
            assert not isinstance(event, CloseConnection), event
            event = self._next()
        return bytes(event.payload)

    def close_code(self) -> int | None:
        """Read to the end; the code of the server's close frame, None where it was cut off."""
        deadline = time.monotonic() + self._timeout_s
        event = self._next()
        while not isinstance(event, CloseConnection):
            assert time.monotonic() < deadline, "only pings come, and no end"
            event = self._next()
        if event.code == 1006:
            return None
        self._connection.is_closed()  # the server is who closes the connection
        return event.code

    def leave(self) -> int | None:
        """Send a close frame; return the code of the server's."""
        self._connection.send_bytes(self._frames.send(CloseConnection(code=1000)))
        return self.close_code()

    def hang_up(self, reset: bool) -> None:
        """Close without a close frame, with a TCP reset if asked."""
        self._connection.hang_up(reset)

    def _next(self) -> Event:
        """The next event; a text message is one once it is complete, and answers are sent."""
        while not self._events:
            self._events += self._frames.events()
            if not self._events:
                self._receive()
        event = self._events.pop(0)
        if isinstance(event, TextMessage):
            self._unfinished += event.data
            if event.message_finished:
                self._take_in(self._unfinished)
                self._unfinished = ""
        elif isinstance(event, Ping) or (isinstance(event, CloseConnection) and self._is_open()):
            self._connection.send_bytes(self._frames.send(event.response()))
        return event

    def _take_in(self, text: str) -> None:
        if text == GREETING:
            self._greeted = True
        else:
            self.heard.append(text)

    def _receive(self) -> None:
        try:
            data = self._connection.socket.recv(1 << 20)
        except ConnectionError:
            data = b""
        self.received_bytes += len(data)
        self._frames.receive_data(data or None)

    def _is_open(self) -> bool:
        return self._frames.state.name == "REMOTE_CLOSING"


def meet(members: Sequence[Member]) -> None:
    """Wait until all of them are in the room: one may have been let in, and not be there yet."""
    first, second, *_ = members
    first.say(GREETING)
    second.say(GREETING)
    for member in members[1:]:
        greet(member, first)
    greet(first, second)


def greet(member: Member, by: Member) -> None:
    """Greet it again until it hears."""
    for _ in range(100):
        if member.is_greeted(within_s=0.2):
            return
        by.say(GREETING)
    raise AssertionError("a member that was let in hears nothing")


def handshake(key: str, version: str = "13") -> Headers:
    """The headers that ask for a WebSocket."""
    return (
        ("Connection", "Upgrade"),
        ("Upgrade", "websocket"),
        ("Sec-WebSocket-Version", version),
        ("Sec-WebSocket-Key", key),
    )


def check_handshake(answer: Answer, key: str) -> None:
    """Assert that a 101 answers the key."""
    expected = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
    assert answer.header("Sec-WebSocket-Accept") == expected
    assert (answer.header("Upgrade") or "").lower() == "websocket"
    assert "upgrade" in (answer.header("Connection") or "").lower()


def unmasked(opcode: int, payload: bytes) -> bytes:
    """A short frame as only a server may send it."""
    assert len(payload) < 126
    return bytes([opcode | 0x80, len(payload)]) + payload


def frame(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """A client's frame, with a mask that changes nothing."""
    size = len(payload)
    if size < 126:
        length = struct.pack("!B", 0x80 | size)
    elif size < 65536:
        length = struct.pack("!BH", 0x80 | 126, size)
    else:
        length = struct.pack("!BQ", 0x80 | 127, size)
    return bytes([opcode | (0x80 if final else 0)]) + length + bytes(4) + payload
