"""`POST /fault/KIND/SHARE/S`: calls that go wrong on purpose, and how that ends."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress

import pytest

from tests.backend.running import HELD_UP_S, Backend, Client, get

Start = Callable[..., AbstractContextManager[Backend]]
KINDS = (
    *("refuse", "reset-before-head", "reset-in-head", "reset-after-head", "close-idle", "500"),
    *("503", "garbled-head", "wrong-length", "cut-body", "silent", "trickle", "slow"),
    *("two-answers", "huge-body", "full-backlog"),
)
LISTENER = ("refuse", "full-backlog")
LONG_S = 30
CALL = get("/delay/0.01", "X-Request-ID: a")
BODY = b'{"delay":0.01,"id":"a"}'
RIGHT = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
HUGE_BYTES = 100_000_000


class Faulty(Backend):
    """A backend with a fault, and the connection that asked for it."""

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend.process, backend.port, backend.log)
        self.control = self.client()

    def begin(self, text: str) -> int:
        """The status of the answer to POST /fault/…"""
        self.control.send(get(f"/fault/{text}", method="POST"))
        return self.control.answer().status

    def stats(self) -> dict[str, float]:
        """The counters, asked for over a connection that no fault ends."""
        self.control.send(get("/stats"))
        stats: dict[str, float] = self.control.answer().json()
        return stats

    def reset(self) -> None:
        """End the fault."""
        self.control.send(get("/reset", method="POST"))
        assert self.control.answer().status == 200

    def call(self) -> bytes:
        """All that comes in answer to one call, up to the end of the connection."""
        with self.client() as client:
            client.send(CALL)
            return everything(client)

    def is_well(self) -> bool:
        """Whether a new connection gets three right answers one after the other."""
        with self.client() as client:
            client.socket.settimeout(2)
            for _ in range(3):
                client.send(CALL)
                answer = b""
                while len(answer) < len(RIGHT):
                    data = client.socket.recv(65536)
                    if not data:
                        return False
                    answer += data
                if answer != RIGHT:
                    return False
        return True


def everything(client: Client) -> bytes:
    """All that comes until the connection ends; ConnectionResetError where it is reset."""
    while data := client.socket.recv(1 << 20):
        client.received += data
    return client.received


def huge(client: Client) -> bytearray:
    """The body of an answer that is as large as the fault makes it."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.socket.recv(1)
    assert b"Content-Length: %d\r\n" % HUGE_BYTES in head
    body = bytearray(HUGE_BYTES)
    with memoryview(body) as view:
        have = 0
        while have < HUGE_BYTES:
            received = client.socket.recv_into(view[have:])
            assert received
            have += received
    return body


@pytest.fixture
def faulty(backend: Backend) -> Iterator[Faulty]:
    """The shared backend, which is healthy again after the test."""
    found = Faulty(backend)
    try:
        yield found
    finally:
        found.reset()
        found.control.socket.close()


def begin(faulty: Faulty, kind: str, share: str = "1", seconds: float = LONG_S) -> None:
    assert faulty.begin(f"{kind}/{share}/{seconds:g}") == 200


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("reset-before-head", rb""),
        ("reset-in-head", rb"HTTP/1\.1 200 OK\r\nContent-Type.{1,40}"),
        ("reset-after-head", rb"HTTP/1\.1 200 OK\r\n(?:[^\r]+\r\n)+\r\n"),
    ],
)
def test_reset(faulty: Faulty, kind: str, part: bytes) -> None:
    begin(faulty, kind)
    with faulty.client() as client:
        client.send(CALL)
        with pytest.raises(ConnectionResetError):
            everything(client)
        assert re.fullmatch(part, client.received, re.DOTALL)
    stats = faulty.until(lambda stats: stats["in_flight"] == 0)
    assert (stats["calls"], stats["answered"], stats["failed"]) == (1, 0, 1)


def test_idle_connections_are_closed_without_notice(faulty: Faulty) -> None:
    begin(faulty, "close-idle")
    answer = faulty.call()
    assert answer.endswith(BODY)
    assert b"close" not in answer.lower()


@pytest.mark.parametrize("status", [500, 503])
def test_another_status(faulty: Faulty, status: int) -> None:
    begin(faulty, str(status))
    with faulty.client() as client:
        for _ in range(2):  # the connection is kept
            client.send(CALL)
            answer = client.answer()
            assert (answer.status, answer.json()) == (status, {"error": "a fault on purpose"})


def test_a_garbled_head(faulty: Faulty) -> None:
    begin(faulty, "garbled-head")
    assert faulty.call() == b"\x00\x01\x02 what?\r\n\r\n"


def test_a_content_length_that_is_too_long(faulty: Faulty) -> None:
    begin(faulty, "wrong-length")
    with faulty.client() as client:
        client.send(CALL)
        faulty.until(lambda stats: stats["failed"] == 1)
        client.socket.setblocking(False)
        head, _, body = client.socket.recv(4096).partition(b"\r\n\r\n")
        assert b"Content-Length: %d" % (len(BODY) + 10) in head
        assert body == BODY
        with pytest.raises(BlockingIOError):  # and it stays open
            client.socket.recv(1)


def test_a_body_that_is_cut_off(faulty: Faulty) -> None:
    begin(faulty, "cut-body")
    head, _, body = faulty.call().partition(b"\r\n\r\n")
    assert b"Content-Length: %d" % len(BODY) in head
    assert body == BODY[:-3]


def test_silence_lasts_until_the_fault_ends(faulty: Faulty) -> None:
    begin(faulty, "silent")
    with faulty.client() as client, faulty.client() as leaver:
        for caller in (client, leaver):
            caller.send(get("/delay/0"))  # due at once, and so held
        faulty.until(lambda stats: stats["in_flight"] == 2)
        leaver.socket.close()
        assert faulty.until(lambda stats: stats["in_flight"] == 1)["abandoned"] == 1
        faulty.reset()
        with pytest.raises(ConnectionResetError):
            everything(client)
        assert client.received == b""
    assert faulty.until(lambda stats: stats["in_flight"] == 0)["answered"] == 0


def test_a_byte_a_second(faulty: Faulty) -> None:
    begin(faulty, "trickle")
    with faulty.client() as client:
        client.send(CALL)
        begun = time.monotonic()
        assert [client.socket.recv(100) for _ in range(3)] == [b"H", b"T", b"T"]
        assert time.monotonic() - begun >= 1.9
        faulty.reset()
        with pytest.raises(ConnectionResetError):
            everything(client)


def test_slow_for_ten_seconds(faulty: Faulty) -> None:
    begin(faulty, "slow")
    with faulty.client() as client:
        begun = time.monotonic()
        client.send(CALL)
        assert client.answer().body == BODY
        assert time.monotonic() - begun >= 10


def test_two_answers(faulty: Faulty) -> None:
    begin(faulty, "two-answers")
    with faulty.client() as client:
        client.send(CALL)
        assert [client.answer().body for _ in range(2)] == [BODY, b'{"delay":0,"id":"nobody"}']


def test_a_huge_body_one_at_a_time(faulty: Faulty) -> None:
    begin(faulty, "huge-body")
    before = faulty.rss_bytes()
    with faulty.client() as client:
        client.send(CALL)  # and nobody reads
        faulty.until(lambda stats: stats["failed"] == 1)
        assert faulty.is_well()
        assert json.loads(huge(client)) == {"delay": 0.01, "id": "a"}
        client.send(CALL)
        assert len(huge(client)) == HUGE_BYTES
    faulty.reset()
    assert faulty.is_well()
    assert faulty.rss_bytes() < before  # which had the 100 MB to send


@pytest.mark.parametrize("kind", LISTENER)
def test_nobody_is_let_in(faulty: Faulty, kind: str) -> None:
    with faulty.client() as client:
        client.send(CALL)
        assert client.answer().body == BODY
        begin(faulty, kind)
        with pytest.raises(ConnectionResetError):  # as if it had died
            client.hung_up()
    error = ConnectionRefusedError if kind == "refuse" else TimeoutError
    for _ in range(3):
        with pytest.raises(error):
            socket.create_connection(("127.0.0.1", faulty.port), timeout=0.3)
    assert faulty.stats()["connections"] == 1
    faulty.reset()
    assert faulty.is_well()


@pytest.mark.parametrize("kind", KINDS)
def test_each_ends_by_itself(faulty: Faulty, kind: str) -> None:
    begin(faulty, kind, seconds=0.2)
    begun = time.monotonic()
    if kind not in LISTENER:
        with faulty.client() as client:
            client.send(CALL)
    while True:  # until it is well: it has no other way to be
        with suppress(OSError):
            if faulty.is_well():
                break
        assert time.monotonic() - begun < HELD_UP_S
    assert faulty.until(lambda stats: stats["connections"] == 1)["in_flight"] <= (kind == "slow")


@pytest.mark.parametrize("field", ["X-A: a", "Connection: close"])
def test_a_connection_that_its_caller_has_closed_is_not_counted(faulty: Faulty, field: str) -> None:
    """Though its answer is due much later."""
    with faulty.client() as client:
        client.send(get("/delay/60", field))
        assert faulty.until(lambda stats: stats["in_flight"] == 1)["connections"] == 2
    faulty.until(lambda stats: stats["connections"] == 1)


def test_a_share_of_the_calls(faulty: Faulty) -> None:
    def statuses() -> list[int]:
        begin(faulty, "500", "0.3")
        with faulty.client() as client:
            found = []
            for _ in range(400):
                client.send(CALL)
                found.append(client.answer().status)
        return found

    first = statuses()
    assert 80 < first.count(500) < 160
    assert first.count(200) + first.count(500) == 400
    assert statuses() == first  # each service meets the same
    begin(faulty, "500", "0")
    assert faulty.is_well()


def test_one_is_replaced_by_the_next(faulty: Faulty) -> None:
    for kind in (*LISTENER, "silent", "500"):
        begin(faulty, kind)
    assert faulty.ask(CALL).status == 500
    begin(faulty, "close-idle")
    assert faulty.call().endswith(BODY)


def test_calls_of_any_path_too(faulty: Faulty) -> None:
    assert faulty.ask(get("/any/0", method="POST")).status == 200
    begin(faulty, "503")
    assert faulty.get("/orders").status == 503
    assert faulty.get("/health").status == 200


def test_in_a_pipeline(faulty: Faulty) -> None:
    begin(faulty, "500", "0.5")
    with faulty.client() as client:
        client.send(CALL * 20)
        assert {client.answer().status for _ in range(20)} == {200, 500}
        begin(faulty, "silent")
        client.send(CALL * 3)
        assert faulty.until(lambda stats: stats["in_flight"] == 3)["failed"] > 0
    faulty.until(lambda stats: stats["in_flight"] == 0)


@pytest.mark.parametrize("kind", ["refuse", "full-backlog", "silent"])
def test_the_end_of_the_backend_meanwhile(start: Start, kind: str) -> None:
    with start() as backend:
        found = Faulty(backend)
        with backend.client() as client:
            client.send(get("/delay/0", "X-Request-ID: a"))
            client.answer()
            begin(found, kind)
            if kind == "silent":
                client.send(CALL)
                found.until(lambda stats: stats["in_flight"] == 1)
            backend.process.terminate()
            assert backend.process.wait(HELD_UP_S) == 0
            found.control.socket.close()


@pytest.mark.parametrize(
    "text",
    [
        *("", "/", "none/1/1", "500", "500/1", "500/1/61", "500/1/x", "500/1.1/1", "500/-1/1"),
        *("500/x/1", "500/1/1/1", "refuse/0.5/1", "full-backlog/0/1", "500/1e0/1"),
    ],
)
def test_a_bad_one_is_told_what_there_is(backend: Backend, text: str) -> None:
    answer = backend.ask(get(f"/fault/{text}", method="POST"))
    assert answer.status == 400
    for expected in (*KINDS, "from 0 to 1", "from 0 to 60"):
        assert expected in answer.json()["error"]


def test_it_must_be_posted(backend: Backend) -> None:
    for path in ("/fault/500/1/1", "/fault"):
        answer = backend.get(path)
        assert (answer.status, answer.fields["allow"]) == (405, "POST")
