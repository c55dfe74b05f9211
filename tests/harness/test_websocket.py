"""The generator's WebSocket and what it counts, against a server that sends what a test wants."""

from __future__ import annotations

import base64
import hashlib
import socket
import threading
import time
from collections.abc import Callable
from typing import Any

import gevent
import pytest

from loadtests.load.websocket import WebSocket, frame_of
from loadtests.workloads.chat.load import Room, _text

RIGHT = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {}\r\n\r\n"
LONG = b"x" * 300


class Peer:
    """One connection: sends `pieces` one by one, hangs up, and keeps what it was sent."""

    def __init__(self, *pieces: bytes, head: str = RIGHT, stays: bool = False) -> None:
        self.pieces, self.head, self.stays = pieces, head, stays
        self.received = b""
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __exit__(self, *_: object) -> None:
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        self.connection, _ = self._listener.accept()
        with self.connection as connection:
            connection.settimeout(10)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            asked = connection.recv(4096)
            key = asked.partition(b"Sec-WebSocket-Key: ")[2].partition(b"\r\n")[0]
            accept = hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
            connection.sendall(self.head.format(base64.b64encode(accept).decode()).encode())
            for piece in self.pieces:
                connection.sendall(piece)
                time.sleep(0.002)  # so that most are read alone
            if not self.stays:
                connection.shutdown(socket.SHUT_WR)
            while data := connection.recv(4096):
                self.received += data


class Ears:
    """Remembers what it hears."""

    expected = frame_of(b"the expected")

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.ends: list[str] = []

    def hear(self, who: WebSocket, at: float) -> None:
        self.heard.append(b"(expected)")

    def hear_text(self, who: WebSocket, text: bytes, at: float) -> None:
        self.heard.append(text)

    def hear_end(self, who: WebSocket, reason: str) -> None:
        self.ends.append(reason)


def until(true: Callable[[], Any]) -> None:
    with gevent.Timeout(10):
        while not true():
            gevent.sleep(0.001)


def heard(*pieces: bytes) -> tuple[list[bytes], list[str]]:
    ears = Ears()
    with Peer(*pieces) as url:
        WebSocket(url, "/chat", ears)
        until(lambda: ears.ends)
    return ears.heard, ears.ends


@pytest.mark.parametrize(
    ("sent", "texts"),
    [
        (frame_of(b"a"), [b"a"]),
        (frame_of(b""), [b""]),
        (frame_of(b"a") + frame_of(b"b"), [b"a", b"b"]),
        (b"\x81\x7e\x01\x2c" + LONG, [LONG]),
        (b"\x81\x7f\0\0\0\0\0\0\x01\x2c" + LONG, [LONG]),
        (b"\x01\x02ab" + b"\x00\x01c" + b"\x80\x01d" + frame_of(b"e"), [b"abcd", b"e"]),
        (b"\x01\x02ab" + b"\x8a\x01!" + b"\x80\x01c", [b"abc"]),  # a pong in between
    ],
)
def test_frames(sent: bytes, texts: list[bytes]) -> None:
    assert heard(sent) == (texts, ["closed without a close frame"])
    pieces = [sent[i : i + 1] for i in range(min(len(sent), 20))] + [sent[20:]]
    assert heard(*filter(None, pieces)) == (texts, ["closed without a close frame"])


def test_the_expected_frame_is_known_where_it_is_alone() -> None:
    """An expected frame is recognised alone, and parsed as any other in company."""
    ears, expected = Ears(), Ears.expected
    peer = Peer(stays=True)
    with peer as url:
        websocket = WebSocket(url, "/chat", ears)
        for sent, texts in (
            (expected, [b"(expected)"]),
            (frame_of(b"a") + expected, [b"a", b"the expected"]),
            (expected, [b"(expected)"]),
        ):
            ears.heard.clear()
            peer.connection.sendall(sent)
            until(lambda texts=texts: ears.heard == texts)  # type: ignore[misc]
        ears.heard.clear()
        peer.connection.sendall(b"\x01\x00")  # a message of three frames; the next one is
        peer.connection.sendall(b"\x00" + expected[1:])  # its second, but for the first byte
        peer.connection.sendall(b"\x80\x00")
        until(lambda: ears.heard == [b"the expected"])
        websocket.close()


@pytest.mark.parametrize(
    ("sent", "reason"),
    [
        (b"\x88\x02\x03\xf5", "1013"),
        (b"\x88\x05\x03\xe9bye", "1001"),
        (b"\x88\x00", "1005"),
        (b"", "closed without a close frame"),
    ],
)
def test_ends(sent: bytes, reason: str) -> None:
    assert heard(frame_of(b"a") + sent + frame_of(b"after the end")) == (
        [b"a"] if sent else [b"a", b"after the end"],
        [reason],
    )


def test_frames_are_sent_masked() -> None:
    ears = Ears()
    peer = Peer(b"\x89\x03abc", stays=True)
    with peer as url:
        websocket = WebSocket(url, "/chat", ears)
        websocket.send_text(b"hello")
        until(lambda: len(peer.received) == (6 + 3) + (6 + 5))
        websocket.close()
    sent: dict[int, bytes] = {}
    data = peer.received
    while data:
        length = data[1] & 0x7F
        assert data[1] & 0x80
        mask, masked = data[2:6], data[6 : 6 + length]
        sent[data[0]] = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
        data = data[6 + length :]
    assert sent == {0x8A: b"abc", 0x81: b"hello"}  # a pong, and the text
    assert ears.ends == []  # who closes knows it


@pytest.mark.parametrize(
    "head",
    [
        'HTTP/1.1 501 Not Implemented\r\nContent-Length: 16\r\n\r\n{{"error":"no"}}',
        "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x{}x\r\n\r\n".replace("{}", ""),
        "HTTP/1.1 101 Switch",
    ],
)
def test_no_websocket(head: str) -> None:
    with Peer(head=head) as url, pytest.raises(OSError, match=r"/chat was answered|before it was"):
        WebSocket(url, "/chat", Ears())


class Member:
    """The part of a WebSocket that a room uses."""

    def __init__(self, room: Room) -> None:
        self.last = room.number
        self.sent: list[bytes] = []
        self.send_text = self.sent.append


def test_the_counts_of_a_room() -> None:
    room = Room()
    sender, other, third = (Member(room) for _ in range(3))
    room.say(sender, 2)  # type: ignore[arg-type]
    room.begin()
    room.say(sender, 2)  # type: ignore[arg-type]
    assert sender.sent == [_text(1), _text(2)]
    assert room.expected == frame_of(_text(2))
    now = room.sent_at[2] + 0.5
    room.hear_text(other, _text(1), now)  # type: ignore[arg-type]
    assert (room.times_s, room.failures) == ([], {})  # late, but it has come
    room.hear(other, now)  # type: ignore[arg-type]
    room.hear_text(third, _text(2), now)  # type: ignore[arg-type]
    assert room.times_s == [pytest.approx(0.5)] * 2
    for who, text in ((other, _text(2)), (third, _text(1)), (sender, _text(2))):
        room.hear_text(who, text, now)  # type: ignore[arg-type]
    room.hear(third, now)  # type: ignore[arg-type]
    assert room.failures == {"repeated": 4}
    for wrong in (b"", b"hello", _text(3), _text(0), _text(2) + b".", _text(2)[:-1]):
        room.hear_text(other, wrong, now)  # type: ignore[arg-type]
    assert room.failures == {"repeated": 4, "wrong body": 6}
    assert len(room.times_s) == 2
