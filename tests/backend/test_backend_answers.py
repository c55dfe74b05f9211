"""One request, one answer: status, content type and body to the byte."""

from __future__ import annotations

import time

import psutil
import pytest

from tests.backend.running import FOLDER, Backend, get

BAD_DELAY = (
    b'{"error":"delay must be given once, as a decimal number of seconds from 0 to 60, '
    b'such as 0.1"}'
)
BAD_ID = b'{"error":"X-Request-ID must be 1 to 64 letters, digits or any of . _ : -"}'


@pytest.mark.parametrize("text", ["0", "0.0", "0.05", "0.050000", "0.000001"])
@pytest.mark.parametrize("request_id", ["", "a", "A-1.b_2:c", ".1", "x" * 64 + ".100"])
def test_delay(backend: Backend, text: str, request_id: str) -> None:
    fields = [f"X-Request-ID: {request_id}"] if request_id else []
    begun = time.monotonic()
    answer = backend.ask(get(f"/delay/{text}", *fields))
    assert time.monotonic() - begun >= float(text)
    assert answer.status == 200
    assert answer.body == f'{{"delay":{text},"id":"{request_id}"}}'.encode()
    assert answer.fields == {
        "content-type": "application/json",
        "content-length": str(len(answer.body)),
    }


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-1",
        "+1",
        "60.1",
        "61",
        "1e1",
        "nan",
        "inf",
        "1.",
        ".5",
        "01",
        "0.1234567",
        "0%2E1",
        "0,1",
        "x",
        "9" * 5000,
    ],
)
def test_bad_delay(backend: Backend, text: str) -> None:
    answer = backend.get(f"/delay/{text}")
    assert (answer.status, answer.body) == (400, BAD_DELAY)
    assert backend.stats()["calls"] == 0


@pytest.mark.parametrize(
    "fields",
    [
        ["X-Request-ID:"],
        ["X-Request-ID: " + "x" * 69],
        ["X-Request-ID: a b"],
        ['X-Request-ID: "'],
        ["X-Request-ID: \xe9"],
        ["X-Request-ID: a", "x-request-id: a"],
    ],
)
def test_bad_request_id(backend: Backend, fields: list[str]) -> None:
    answer = backend.ask(get("/delay/0", *fields))
    assert (answer.status, answer.body) == (400, BAD_ID)


def test_head_is_get_without_a_body(backend: Backend) -> None:
    begun = time.monotonic()
    with backend.client() as client:
        for path in ("/delay/0.1", "/health", "/stats"):
            client.send(get(path, method="HEAD"))
            answer = client.answer("HEAD")
            assert (answer.status, client.received) == (200, b"")
            assert int(answer.fields["content-length"]) > 10
    assert time.monotonic() - begun >= 0.1
    assert backend.stats()["answered"] == 1


@pytest.mark.parametrize("path", ["/", "/delay", "/delays/1", "/health/", "/Health", "*"])
def test_unknown_path(backend: Backend, path: str) -> None:
    answer = backend.get(path)
    assert (answer.status, answer.body) == (404, b'{"error":"no such route"}')


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("POST", "/delay/1", "GET, HEAD"),
        ("DELETE", "/stats", "GET, HEAD"),
        ("get", "/health", "GET, HEAD"),
        ("GET", "/reset", "POST"),
    ],
)
def test_wrong_method(backend: Backend, method: str, path: str, allow: str) -> None:
    answer = backend.ask(get(path, method=method))
    assert (answer.status, answer.fields["allow"]) == (405, allow)
    assert answer.body == b'{"error":"method not allowed"}'


def test_errors_of_content_keep_the_connection(backend: Backend) -> None:
    with backend.client() as client:
        for path, status in (("/delay/x", 400), ("/x", 404), ("/reset", 405), ("/health", 200)):
            client.send(get(path))
            assert client.answer().status == status


def test_query_and_absolute_form(backend: Backend) -> None:
    assert backend.get("/delay/0?delay=9").body == b'{"delay":0,"id":""}'
    assert backend.get("http://test/health?x").body == b'{"status":"ok"}'


@pytest.mark.parametrize(
    "host", ["", "a", "a:", "a:80", "127.0.0.1:80", "[::1]", "[::1]:80", "%41"]
)
def test_host(backend: Backend, host: str) -> None:
    request = get("/delay/0").replace(b"Host: test", b"Host: " + host.encode())
    assert backend.ask(request).body == b'{"delay":0,"id":""}'


def test_http10(backend: Backend) -> None:
    with backend.client() as client:
        client.send(b"GET /delay/0 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")
        assert client.answer().fields["connection"] == "keep-alive"
        client.send(b"GET /delay/0.05 HTTP/1.0\r\n\r\n")
        answer = client.answer()
        assert (answer.body, answer.fields["connection"]) == (b'{"delay":0.05,"id":""}', "close")
        assert client.hung_up()


def test_connection_close(backend: Backend) -> None:
    for path in ("/health", "/delay/0.05"):
        with backend.client() as client:
            client.send(get(path, "Connection: foo, Close"))
            assert client.answer().fields["connection"] == "close"
            assert client.hung_up()


def test_bodies_are_skipped(backend: Backend) -> None:
    with backend.client() as client:
        body = get("/delay/9") * 1000
        client.send(get("/reset", f"Content-Length: {len(body)}", method="POST") + body)
        assert client.answer().body == b'{"status":"ok"}'
        client.send(get("/health"))
        assert client.answer().body == b'{"status":"ok"}'
    assert backend.stats()["calls"] == 0


def test_counters(backend: Backend) -> None:
    for text in ("0", "0.04", "0.06"):
        backend.get(f"/delay/{text}")
    with backend.client() as client:
        client.send(get("/delay/0.05"))
        stats = backend.until(lambda stats: stats["in_flight"] == 1)
        assert (stats["calls"], stats["answered"], stats["peak_in_flight"]) == (4, 3, 1)
        assert 0.1 / 3 <= stats["served_s_mean"] < 0.5
        assert 0 < stats["late_ms_mean"] <= stats["late_ms_max"] < 1000
        assert 0 < stats["late_ms_p50"] <= stats["late_ms_p99"] < 1000
        assert backend.ask(get("/reset", method="POST")).status == 200
        stats = backend.stats()
        assert (stats["calls"], stats["in_flight"], stats["peak_in_flight"]) == (0, 1, 1)
        assert client.answer().status == 200
    stats = backend.stats()
    assert (stats["calls"], stats["answered"], stats["in_flight"]) == (0, 1, 0)
    assert list(stats) == [
        *("calls", "answered", "abandoned", "failed", "in_flight", "peak_in_flight"),
        *("served_s_mean", "late_ms_mean", "late_ms_max", "late_ms_p50", "late_ms_p99", "cpu_s"),
        "connections",
    ]


def test_the_cpu_time_is_the_process_own_and_never_reset(backend: Backend) -> None:
    first = backend.stats()["cpu_s"]
    for _ in range(500):
        backend.get("/delay/0")
    backend.ask(get("/reset", method="POST"))
    counted, process = backend.stats()["cpu_s"], psutil.Process(backend.process.pid).cpu_times()
    assert 0 < first < counted <= process.user + process.system + 0.03  # both in ticks of 10 ms


def test_serve_is_short_and_ends_in_exec() -> None:
    lines = (FOLDER / "serve").read_text().splitlines()
    code = [line for line in lines if line and not line.startswith("#")]
    assert len(code) <= 6
    assert code[-1].startswith("exec ")
