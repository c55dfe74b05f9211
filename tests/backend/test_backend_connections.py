"""One connection: split requests, pipelines, clients that hang up or do not read."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack

import pytest

from tests.backend.running import Backend, Client, get

Start = Callable[..., AbstractContextManager[Backend]]


def test_byte_by_byte(backend: Backend) -> None:
    request = get("/delay/0.01", "X-Request-ID: piecemeal", "Content-Length: 3") + b"abc"
    with backend.client() as client:
        for _ in range(2):
            for byte in b"\r\n" + request:
                client.send(bytes([byte]))
            assert client.answer().json() == {"delay": 0.01, "id": "piecemeal"}
    assert backend.stats()["answered"] == 2


def test_pipelined_answers_keep_the_order_of_requests(backend: Backend) -> None:
    paths = ["/delay/0.2", "/delay/0.05", "/health", "/delay/0", "/x", "/delay/0.1", "/delay/0.25"]
    requests = [get(path, f"X-Request-ID: {i}") for i, path in enumerate(paths)]
    with backend.client() as client:
        begun = time.monotonic()
        client.send(b"".join(requests))
        for i, path in enumerate(paths):
            answer = client.answer()
            if path.startswith("/delay"):
                assert answer.json()["id"] == str(i)
            else:
                assert answer.status == (200 if path == "/health" else 404)
        assert time.monotonic() - begun >= 0.25
    stats = backend.stats()
    assert (stats["calls"], stats["answered"], stats["in_flight"]) == (5, 5, 0)
    assert stats["peak_in_flight"] == 5  # all began when they arrived


def test_a_request_that_comes_while_one_is_held(backend: Backend) -> None:
    with backend.client() as client:
        client.send(get("/delay/0.1", "X-Request-ID: a") + b"GET /delay/0 HT")
        backend.until(lambda stats: stats["in_flight"] == 1)
        client.send(b"TP/1.1\r\nHost: test\r\nX-Request-ID: b\r\n\r\n")
        assert [client.answer().json()["id"] for _ in range(2)] == ["a", "b"]
        client.send(get("/delay/0.01", "X-Request-ID: c"))
        assert client.answer().json()["id"] == "c"


def test_more_pipelined_calls_than_one_client_may_have_in_line(backend: Backend) -> None:
    with backend.client() as client:
        client.send(b"".join(get("/delay/0.02", f"X-Request-ID: {i}") for i in range(500)))
        assert [client.answer().json()["id"] for _ in range(500)] == [str(i) for i in range(500)]
    stats = backend.stats()
    assert (stats["answered"], stats["in_flight"]) == (500, 0)
    assert stats["peak_in_flight"] < 100


def test_ids_and_delays_are_not_mixed(backend: Backend) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(backend.client()) for _ in range(200)]
        begun = time.monotonic()
        for i, client in enumerate(clients):
            client.send(get(f"/delay/{0.3 - i / 1000:.3f}", f"X-Request-ID: r{i}"))
        for i, client in enumerate(clients):
            answer = client.answer()
            assert answer.body == f'{{"delay":{0.3 - i / 1000:.3f},"id":"r{i}"}}'.encode()
        assert time.monotonic() - begun < 5  # one after the other they take 40
    assert backend.stats()["late_ms_max"] < 5000


def test_callers_that_hang_up_are_counted_and_forgotten(backend: Backend) -> None:
    for hang_up in ("close", "reset"):
        assert backend.ask(get("/reset", method="POST")).status == 200
        with backend.client() as client:
            client.send(get("/delay/0.5") + get("/delay/0.6") + get("/health"))
            backend.until(lambda stats: stats["in_flight"] == 2)
            if hang_up == "reset":
                reset(client)
        backend.until(lambda stats: stats["abandoned"] == 2)
        assert backend.get("/delay/0.7").status == 200  # past the time those were due
        stats = backend.stats()
        assert (stats["calls"], stats["answered"], stats["in_flight"]) == (3, 1, 0), hang_up


@pytest.mark.parametrize("requests", [1, 3, 200])
@pytest.mark.parametrize("path", ["/health", "/delay/0", "/delay/0.05", "/delay/0.05?x"])
def test_a_client_that_ends_its_direction_gets_its_answers(
    backend: Backend, path: str, requests: int
) -> None:
    """Half-closed clients get answers, though their calls count as abandoned."""
    with backend.client() as client:
        client.send(get(path) * requests)
        client.socket.shutdown(socket.SHUT_WR)
        for _ in range(requests):
            assert client.answer().status == 200
        assert client.hung_up()
    stats = backend.stats()
    assert stats["in_flight"] == 0
    assert stats["answered"] + stats["abandoned"] == stats["calls"]


def test_half_a_request_ends_with_its_client(backend: Backend) -> None:
    for requests in (0, 1):
        with backend.client() as client:
            client.send(get("/delay/0.05") * requests + b"GET /delay/0 HT")
            client.socket.shutdown(socket.SHUT_WR)
            for _ in range(requests):
                assert client.answer().status == 200
            assert client.hung_up()


def test_no_answer_reaches_the_next_connection_of_a_descriptor(backend: Backend) -> None:
    """Callers hang up while the answers to them fall due, and others take their place."""
    for round_ in range(5):
        with ExitStack() as stack:
            clients = [stack.enter_context(backend.client()) for _ in range(60)]
            for client in clients:
                client.send(get("/delay/0.02", "X-Request-ID: old"))
            time.sleep(0.015)
            for client in clients[::2]:
                reset(client)
                client.socket.close()
            for i in range(20):
                client = stack.enter_context(backend.client())
                client.send(get("/delay/0.01", f"X-Request-ID: {round_}.{i}"))
                assert client.answer().json()["id"] == f"{round_}.{i}"
                assert client.received == b""


def test_abandoned_calls_do_not_stay_in_memory(backend: Backend) -> None:
    def abandon(calls: int) -> None:
        for _ in range(calls // 50):
            with ExitStack() as stack:
                for _ in range(50):
                    client = stack.enter_context(backend.client())
                    client.send(get("/delay/60"))
                    reset(client)
                backend.until(lambda stats: stats["in_flight"] == 50)
            backend.until(lambda stats: stats["in_flight"] == 0)

    abandon(1500)
    before = backend.rss_bytes()
    abandon(3000)
    assert backend.rss_bytes() - before < 1_500_000  # 3000 connections kept are over 3 MB
    assert backend.stats()["abandoned"] == 4500


def test_a_client_that_never_reads_costs_no_memory(backend: Backend) -> None:
    for path in ("/health", "/delay/0.001"):
        with backend.client() as client:
            client.socket.setblocking(False)
            request, sent = get(path), 0
            before = backend.rss_bytes()
            try:
                while sent < 200_000_000:
                    _, writable, _ = select.select([], [client.socket], [], 0.3)
                    if not writable:
                        break
                    sent += client.socket.send((request * 1000)[sent % len(request) :])
            except BlockingIOError:
                pass
            assert sent < 100_000_000, "the backend goes on reading"
            assert backend.rss_bytes() - before < 5_000_000
            assert backend.get("/health").status == 200


def test_a_slow_reader_gets_every_answer(backend: Backend) -> None:
    with backend.client() as client:
        client.socket.settimeout(5)
        requests = b"".join(get("/delay/0", f"X-Request-ID: {i:060}") for i in range(20_000))
        sender = threading.Thread(target=client.send, args=(requests,))
        sender.start()
        backend.until(lambda stats: stats["calls"] > 1000)
        got = [client.answer().json()["id"] for _ in range(20_000)]
        sender.join()
    assert got == [f"{i:060}" for i in range(20_000)]


def reset(client: Client) -> None:
    """Have the connection reset where it is closed: nobody can read an answer any more."""
    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_connections_without_progress_are_closed(start: Start) -> None:
    with start("app.SWEEP_S = 0.05") as backend, ExitStack() as stack:
        partial, body, idle, held = (stack.enter_context(backend.client()) for _ in range(4))
        held.send(get("/delay/1.5", "X-Request-ID: held"))
        partial.send(b"GET /health HTTP/1.1\r\nHost:")
        body.send(get("/reset", "Content-Length: 9", method="POST") + b"123")
        assert body.answer().status == 200
        assert partial.answer().status == 408
        assert partial.hung_up()
        assert body.answer().status == 408
        assert body.hung_up()
        assert idle.hung_up()
        assert held.answer().json()["id"] == "held"
