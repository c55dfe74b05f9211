"""A WebSocket of the generator's: no greenlet for each, and next to nothing for each message.

Thousands of connections hear the same message at once, and the time until the
last one has it is what is measured: it must not be the reader's. So the event
loop calls `_read`, and a message that is the very frame that is expected is not
parsed. Servers do not mask their frames, so that all of them send the same one.
"""

from __future__ import annotations

import base64
import hashlib
import os
import socket
from time import perf_counter
from typing import Protocol

import gevent
import gevent.monkey
import gevent.socket

from loadtests.load.address import address
from loadtests.load.failure import as_text

READ = 1  # libev's name for "readable"
TIMEOUT_S = 10.0
TEXT, CLOSE, PING, PONG = 0x1, 0x8, 0x9, 0xA
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455, section 1.3

_plain_socket = gevent.monkey.get_original("socket", "socket")


class Listener(Protocol):
    """The receiver of messages; times are perf_counter's."""

    expected: bytes

    def hear(self, who: WebSocket, at: float) -> None:
        """The frame `expected` has come, alone."""

    def hear_text(self, who: WebSocket, text: bytes, at: float) -> None:
        """A text message, whichever."""

    def hear_end(self, who: WebSocket, reason: str) -> None:
        """The connection has ended: the code that the server closed it with, or why else."""


class WebSocket:
    """A connection to `ws://name:port/path`; OSError where there is none to be had."""

    def __init__(self, url: str, path: str, listener: Listener) -> None:
        self._listener = listener
        self._data = b""
        self._text = b""  # of a message in several frames, what has come
        self.last = 0  # for the listener: the number of the last message
        self.open = True
        rest = self._shake_hands(url, path)
        self._watcher = gevent.get_hub().loop.io(self._socket.fileno(), READ)
        self._watcher.start(self._read)
        if rest:
            self._take(rest, perf_counter())

    def send_text(self, text: bytes) -> None:
        """Send a message; OSError where the server does not read."""
        self._send(TEXT, text)

    def close(self) -> None:
        """Close it without a word, as a client does that is gone."""
        if self.open:
            self.open = False
            self._watcher.close()
            self._socket.close()

    def _shake_hands(self, url: str, path: str) -> bytes:
        server = address(url)
        connection = gevent.socket.create_connection(server, TIMEOUT_S)
        key = base64.b64encode(os.urandom(16))
        head = (
            f"GET {path} HTTP/1.1\r\nHost: {server.header}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
        )
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.sendall(head.encode() + key + b"\r\n\r\n")
            answer = b""
            while b"\r\n\r\n" not in answer:
                data = connection.recv(4096)
                if not data:
                    raise OSError("the connection was closed before it was a WebSocket")
                answer += data
            head_of_answer, _, rest = answer.partition(b"\r\n\r\n")
            accept = base64.b64encode(hashlib.sha1(key + GUID).digest())
            if not head_of_answer.startswith(b"HTTP/1.1 101 ") or accept not in head_of_answer:
                raise OSError(f"GET {path} was answered with {as_text(answer)}")
        except BaseException:
            connection.close()
            raise
        self._socket = _plain_socket(fileno=connection.detach())
        self._socket.setblocking(False)
        return rest

    def _read(self) -> None:
        """Called by the event loop when something has come."""
        try:
            data = self._socket.recv(4096)
        except BlockingIOError:
            return
        except OSError as error:
            self._end(error.strerror or "reset")
            return
        at = perf_counter()
        if data == self._listener.expected and not self._data:
            self._listener.hear(self, at)
        elif data:
            self._take(data, at)
        else:
            self._end("closed without a close frame")

    def _take(self, data: bytes, at: float) -> None:
        """Parse what has come; the rest of a frame waits for the next time."""
        self._data += data
        while self.open and (found := _frame(self._data)):
            final, opcode, payload, end = found
            self._data = self._data[end:]
            if opcode == PING:
                self._send(PONG, payload)
            elif opcode == CLOSE:
                self._end(str(int.from_bytes(payload[:2], "big") or 1005))
            elif opcode != PONG:
                self._text += payload
                if final:
                    text, self._text = self._text, b""
                    self._listener.hear_text(self, text, at)

    def _end(self, reason: str) -> None:
        self.close()
        self._listener.hear_end(self, reason)

    def _send(self, opcode: int, payload: bytes) -> None:
        if len(payload) > 125:
            raise ValueError("nobody here sends more than 125 bytes")
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
        self._socket.send(bytes((0x80 | opcode, 0x80 | len(payload))) + mask + masked)


def frame_of(text: bytes) -> bytes:
    """The frame of a server's that holds `text`, of 125 bytes at most."""
    return bytes((0x80 | TEXT, len(text))) + text


def _frame(data: bytes) -> tuple[bool, int, bytes, int] | None:
    """Whether it is the last of its message, opcode, payload, end of a whole frame; None."""
    if len(data) < 2:
        return None
    start, length = 2, data[1]
    if length > 125:
        start = 4 if length == 126 else 10
        length = int.from_bytes(data[2:start], "big")
    if len(data) < start + length:
        return None
    return bool(data[0] & 0x80), data[0] & 0xF, data[start : start + length], start + length
