"""The line protocol: the same line again after its delay, and an end to what is no such line."""

from __future__ import annotations

import random
import re
import select
import signal
import socket
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.backend.running import Backend, get

Start = Callable[..., AbstractContextManager[Backend]]
NO_LINE = {
    "no delay": b" a\n",
    "no space": b"0\n",
    "empty": b"\n",
    "carriage return": b"0 a\r\n",
    "two spaces": b"0  a\n",
    "a space more": b"0 a b\n",
    "not a delay": b"x a\n",
    "a leading zero": b"01 a\n",
    "an exponent": b"1e1 a\n",
    "a sign": b"+1 a\n",
    "over a minute": b"60.1 a\n",
    "seven decimals": b"0.1234567 a\n",
    "not an id": b"0 a/b\n",
    "not ASCII": b"0 \xe9\n",
    "a long id": b"0 " + b"x" * 69 + b"\n",
    "NUL": b"0 a\0\n",
    "HTTP": get("/health"),
    "a long line": b"0 " + b"x" * 254,
    "a longer line": b"0 " + b"x" * 70_000,
}


@pytest.mark.parametrize("text", ["0", "0.0", "0.05", "0.050000", "0.000001"])
@pytest.mark.parametrize("request_id", ["", ".1", "A-1.b_2:c", "x" * 64 + ".100"])
def test_the_same_line_comes_back_after_the_delay(
    backend: Backend, text: str, request_id: str
) -> None:
    sent = f"{text} {request_id}\n".encode()
    with backend.line_client() as client:
        for _ in range(2):
            begun = time.monotonic()
            client.send(sent)
            assert client.line() == sent
            assert time.monotonic() - begun >= float(text)
    assert backend.stats()["answered"] == 2


@pytest.mark.parametrize("name", NO_LINE)
def test_what_is_no_line_closes_the_connection(backend: Backend, name: str) -> None:
    with backend.line_client() as client:
        client.send(NO_LINE[name])
        assert client.hung_up()
    assert backend.stats()["calls"] == 0


def test_what_came_before_is_answered(backend: Backend) -> None:
    with backend.line_client() as client:
        client.send(b"0.05 a\n0 b\nnonsense\n0 c\n")
        assert [client.line() for _ in range(2)] == [b"0 b\n", b"0.05 a\n"]
        assert client.hung_up()
    stats = backend.stats()
    assert (stats["calls"], stats["answered"]) == (2, 2)


def test_byte_by_byte(backend: Backend) -> None:
    with backend.line_client() as client:
        for sent in (b"0.01 piece.meal\n", b"0 \n"):
            for byte in sent:
                client.send(bytes([byte]))
            assert client.line() == sent
    assert backend.stats()["answered"] == 2


def test_lines_of_one_connection_do_not_wait_for_each_other(backend: Backend) -> None:
    with backend.line_client() as client:
        begun = time.monotonic()
        client.send(b"1.5 slow\n0.1 quick\n0 at-once\n")
        backend.until(lambda stats: stats["in_flight"] == 2)
        client.send(b"0.01 later\n")
        for line in (b"0 at-once\n", b"0.01 later\n", b"0.1 quick\n"):
            assert client.line() == line
        assert time.monotonic() - begun < 1.5
        assert client.line() == b"1.5 slow\n"
        client.send(b"0.01 next\n")
        assert client.line() == b"0.01 next\n"
    stats = backend.stats()
    assert (stats["calls"], stats["answered"], stats["in_flight"]) == (5, 5, 0)
    assert stats["peak_in_flight"] == 3


def test_more_lines_than_one_client_may_have_in_flight(backend: Backend) -> None:
    lines = [b"0.02 %d\n" % number for number in range(500)]
    with backend.line_client() as client:
        client.send(b"".join(lines))
        assert [client.line() for _ in lines] == lines
    stats = backend.stats()
    assert (stats["answered"], stats["in_flight"], stats["peak_in_flight"]) == (500, 0, 64)


def test_lines_cut_anywhere(backend: Backend) -> None:
    noise = random.Random(3)
    lines = [b"%b %d\n" % (noise.choice([b"0", b"0.001", b"0.002"]), n) for n in range(2000)]
    data = b"".join(lines)
    got = []
    with backend.line_client() as client:
        while data:
            length = noise.randrange(1, 400)
            client.send(data[:length])
            data = data[length:]
            while select.select([client.socket], [], [], 0)[0]:
                got.append(client.line())
        got += [client.line() for _ in range(len(lines) - len(got))]
    assert sorted(got) == sorted(lines)


def test_many_delays_at_once_are_never_short_and_hardly_late(backend: Backend) -> None:
    with ExitStack() as stack:
        sent = []
        for i in range(200):
            client = stack.enter_context(backend.line_client())
            line = f"{0.1 + i * 37 % 100 / 500:.4f} {i}\n"
            sent.append((time.monotonic(), line, client))
            client.send(line.encode())
        for begun, line, client in sorted(sent, key=lambda s: s[0] + float(s[1].split()[0])):
            assert client.line() == line.encode()
            assert time.monotonic() - begun >= float(line.split()[0])
    stats = backend.stats()
    assert stats["answered"] == 200
    assert 0 <= stats["late_ms_mean"] < 200


def test_lines_and_requests_are_counted_together(backend: Backend) -> None:
    with backend.line_client() as line, backend.client() as http:
        line.send(b"0.2 a\n")
        http.send(get("/delay/0.2"))
        stats = backend.until(lambda stats: stats["in_flight"] == 2)
        assert (stats["calls"], stats["peak_in_flight"]) == (2, 2)
        assert line.line() == b"0.2 a\n"
        assert http.answer().status == 200
    stats = backend.stats()
    assert (stats["answered"], stats["in_flight"]) == (2, 0)
    assert 0.2 <= stats["served_s_mean"] < 0.7


def test_who_hangs_up_is_counted_and_forgotten(backend: Backend) -> None:
    with backend.line_client() as client, backend.line_client() as half:
        client.send(b"0.05 a\n0.06 b\n")
        half.send(b"0.05 c\n")
        backend.until(lambda stats: stats["in_flight"] == 3)
        half.socket.shutdown(socket.SHUT_WR)
        assert half.hung_up()
    backend.until(lambda stats: stats["abandoned"] == 3)
    assert backend.get("/delay/0.1").status == 200  # past the time those were due
    stats = backend.stats()
    assert (stats["answered"], stats["in_flight"]) == (1, 0)


@pytest.mark.parametrize("line", [b"0 a\n", b"0.001 a\n"])
def test_a_client_that_never_reads_costs_no_memory(backend: Backend, line: bytes) -> None:
    with backend.line_client() as client:
        client.socket.setblocking(False)
        before, sent = backend.rss_bytes(), 0
        while sent < 100_000_000 and select.select([], [client.socket], [], 0.5)[1]:
            sent += client.socket.send((line * 1000)[sent % len(line) :])
        assert sent < 100_000_000, "the backend goes on reading"
        assert backend.rss_bytes() - before < 5_000_000
        assert backend.get("/health").status == 200


def test_connections_without_progress_are_closed(start: Start) -> None:
    with start("app.SWEEP_S = 0.05") as backend, ExitStack() as stack:
        partial, idle, held = (stack.enter_context(backend.line_client()) for _ in range(3))
        begun = time.monotonic()
        held.send(b"1.5 held\n")
        partial.send(b"0.1 a")
        assert partial.hung_up()
        unfinished_s = time.monotonic() - begun
        assert idle.hung_up()
        assert unfinished_s < time.monotonic() - begun < 1.5
        assert held.line() == b"1.5 held\n"


def test_sigterm_answers_what_is_held_and_exits_with_0(start: Start) -> None:
    with start() as backend, backend.line_client() as idle, backend.line_client() as held:
        idle.send(b"0 a\n")
        assert idle.line() == b"0 a\n"
        held.send(b"0.6 a\n0.5 b\n")
        with backend.line_client() as single:
            single.send(b"0.4 c\n")
            backend.until(lambda stats: stats["in_flight"] == 3)
            backend.process.send_signal(signal.SIGTERM)
            assert idle.hung_up()
            with pytest.raises(ConnectionRefusedError):
                backend.line_client()
            assert single.line() == b"0.4 c\n"
            assert single.hung_up()
        assert [held.line() for _ in range(2)] == [b"0.5 b\n", b"0.6 a\n"]
        assert held.hung_up()
        assert backend.process.wait(2) == 0


def test_sigterm_under_load_loses_no_line(start: Start) -> None:
    with start() as backend, ExitStack() as stack:
        clients = [stack.enter_context(backend.line_client()) for _ in range(300)]
        for client in clients:
            client.send(b"0 a\n")
            assert client.line() == b"0 a\n"
        for client in clients:
            client.send(b"0.3 b\n")
        backend.process.send_signal(signal.SIGTERM)
        assert all(client.line() == b"0.3 b\n" for client in clients)
        assert backend.process.wait(2) == 0


def test_the_fast_path_answers_like_the_other(backend: Backend) -> None:
    """Random lines, right and wrong, whole and in two pieces: the same comes back."""
    noise = random.Random(11)
    characters = b"0123456789.. aZ_:-\r/"
    for _ in range(300):
        line = bytes(noise.choice(characters) for _ in range(noise.randrange(8))) + b"\n"
        line = noise.choice([line, b"0 " + line, b"0.01 " + line])
        if re.match(rb"[0-9.]*[1-9]", line) and not line.startswith(b"0.01 "):
            continue  # it might wait for long
        came = []
        for cut in (0, 1):
            with backend.line_client() as client:
                client.send(line[:cut])
                client.send(line[cut:])
                try:
                    came.append(client.line())
                except EOFError:
                    came.append(b"")
        assert came[0] == came[1]
        assert came[0] in (line, b"")
