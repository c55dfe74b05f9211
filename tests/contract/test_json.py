"""`/json`: the backend's JSON parsed and written anew, and the backend's that is none."""

from __future__ import annotations

import json

import pytest

from tests.contract import fake_backend
from tests.contract.client import (
    Answer,
    Connection,
    ask,
    check,
    error,
    gather,
    identified,
    settle,
    together,
)
from tests.contract.conftest import TIMEOUT_S, Backend, Service
from tests.contract.fake_backend import FakeBackend

pytestmark = [pytest.mark.part("client"), pytest.mark.route("/json")]

SIZES = [0, 1, 300, 2048, 20_480, 1024 * 1024]
NO_JSON = [
    *(b"", b"hello", b"{", b'{"delay":0,"id":"a"', b'{"delay":0} {}', b"\xff", b'{"a":"\xff"}'),
    *(b"[]", b"1", b"null", b'"items"', b'{"items":1}', b'{"items":[1]}', b'{"items":[{}]}'),
    b"[" * 100_000,
]


@pytest.mark.parametrize("size", SIZES)
def test_json(service: Service, backend: Backend, size: int) -> None:
    check_json(service, backend, size)


def test_without_an_id(service: Service, backend: Backend) -> None:
    given = ask(backend.url, "/delay/0/300").body
    check(ask(service.url, "/json?delay=0&size=300"), 200, rewritten(given))


def test_it_was_parsed(service: Service) -> None:
    """The backend's answer, passed on as it came, would be found out."""
    found = ask(service.url, "/json?delay=0&size=2048").json()
    assert found["total"] == sum(item["count"] for item in found["items"]) > 0
    assert ask(service.url, "/json?delay=0&size=0").body == b'{"delay":0,"id":"","total":0}'


def test_numbers_are_written_as_python_does(service: Service) -> None:
    answer = ask(service.url, "/json?delay=0.010&size=0")
    check(answer, 200, b'{"delay":0.01,"id":"","total":0}')


def test_the_call(doubtful: Service, fake: FakeBackend) -> None:
    settle(doubtful.url)
    for method in ("GET", "HEAD"):
        fake.calls.clear()
        answer = ask(doubtful.url, "/json?size=300&delay=0.10&x=1", method, identified("a"))
        assert answer.status == 200
        (call,) = fake.calls
        assert (call.method, call.target) == ("GET", "/delay/0.10/300")
        assert call.request_id == "a"


def test_head(service: Service, backend: Backend) -> None:
    with Connection(service.url) as connection:  # bytes of a body would spoil the next answer
        head = connection.ask("/json?delay=0&size=20480", "HEAD", identified("a"))
        get = connection.ask("/json?delay=0&size=20480", headers=identified("a"))
    assert (head.status, head.body) == (200, b"")
    assert head.header("Content-Length") in (str(len(get.body)), None)
    check(get, 200, rewritten(given(backend, "0", "a", 20_480)))


def test_several_at_once(service: Service, backend: Backend) -> None:
    """Of other sizes and ids, longer than what a socket takes at once."""
    sizes = {f"at-once-{number}": 100_000 * number for number in range(8)}
    connections = [Connection(service.url) for _ in sizes]
    for connection, (request_id, size) in zip(connections, sizes.items(), strict=True):
        connection.send(f"/json?delay=0.05&size={size}", headers=identified(request_id))
    for answer, (request_id, size) in zip(gather(connections), sizes.items(), strict=True):
        check(answer, 200, rewritten(given(backend, "0.05", request_id, size)))
    for connection in connections:
        connection.hang_up()


@pytest.mark.parametrize("body", NO_JSON, ids=lambda body: repr(body[:20]))
def test_a_body_that_is_no_answer(doubtful: Service, fake: FakeBackend, body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    fake.behave = fake_backend.says(head % len(body) + body)
    check(ask(doubtful.url, "/json?delay=0&size=300"), 502, broken(fake))
    fake.behave = fake_backend.answer
    # A library may take the connection that was closed for one that is kept.
    good = (ask(doubtful.url, "/json?delay=0&size=0", headers=identified("b")) for _ in range(3))
    assert b'{"delay":0,"id":"b","total":0}' in [answer.body for answer in good]


def test_a_broken_backend(doubtful: Service, fake: FakeBackend) -> None:
    for behave in (fake_backend.drop, fake_backend.has_status("500 Internal Server Error")):
        fake.behave = behave
        check(ask(doubtful.url, "/json?delay=0&size=300"), 502, broken(fake))


def test_a_slow_backend(doubtful: Service, fake: FakeBackend) -> None:
    settle(doubtful.url)
    fake.behave = fake_backend.silent
    (answer,) = together(doubtful.url, [("/json?delay=0&size=300", ())])
    check(answer, 504, error(f"backend {fake.url} did not answer within {TIMEOUT_S:g} s"))


def check_json(service: Service, backend: Backend, size: int) -> None:
    """Ask for so many bytes."""
    answer: Answer = ask(service.url, f"/json?delay=0.01&size={size}", headers=identified("a-1"))
    check(answer, 200, rewritten(given(backend, "0.01", "a-1", size)))


def given(backend: Backend, delay: str, request_id: str, size: int) -> bytes:
    """The backend's own answer."""
    return ask(backend.url, f"/delay/{delay}/{size}", headers=identified(request_id)).body


def rewritten(body: bytes) -> bytes:
    """The body of `/json` where the backend's is that."""
    found = json.loads(body)
    found["total"] = sum(item["count"] for item in found.get("items", []))
    return json.dumps(found, separators=(",", ":")).encode()


def broken(fake: FakeBackend) -> bytes:
    return error(f"backend {fake.url} gave no valid answer")
