"""`POST /any/S`: every other path, in any method, is a call."""

from __future__ import annotations

import time

import pytest

from tests.backend.running import Backend, get


def setting(backend: Backend, text: str) -> int:
    """The status of the answer to `POST /any/…`."""
    return backend.ask(get(f"/any/{text}", method="POST")).status


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
@pytest.mark.parametrize("path", ["/", "/orders/1?full=yes", "/statistics", "/any", "/%2F/é"])
def test_any_path_and_method(backend: Backend, method: str, path: str) -> None:
    assert setting(backend, "0.05") == 200
    asked = get(path.replace("é", "%C3%A9"), "X-Request-ID: a", "Content-Length: 2", method=method)
    begun = time.monotonic()
    answer = backend.ask(asked + b"{}")
    assert time.monotonic() - begun >= 0.05
    assert (answer.status, answer.body) == (200, b'{"delay":0.05,"id":"a"}')
    assert backend.stats()["calls"] == backend.stats()["answered"] == 1


@pytest.mark.parametrize("size", [0, 20, 21, 22, 30, 31, 32, 33, 2048, 1 << 20])
def test_the_body_has_the_size_that_was_asked_for(backend: Backend, size: int) -> None:
    assert setting(backend, f"0/{size}") == 200
    answer = backend.get("/orders")
    assert len(answer.body) == max(size, len(b'{"delay":0,"id":""}'))
    assert answer.json().items() >= {"delay": 0, "id": ""}.items()


def test_an_id_that_no_service_may_have_is_left_out(backend: Backend) -> None:
    assert setting(backend, "0") == 200
    answer = backend.ask(get("/orders", "X-Request-ID: a b"))
    assert (answer.status, answer.json()["id"]) == (200, "")


def test_its_own_routes_stay_what_they_are(backend: Backend) -> None:
    assert setting(backend, "0.2") == 200
    assert backend.get("/health").json() == {"status": "ok"}
    assert backend.get("/delay/0").json() == {"delay": 0, "id": ""}
    assert backend.get("/delay/x").status == 400
    assert backend.ask(get("/health", method="POST")).status == 405


def test_several_delays_are_taken_in_turn(backend: Backend) -> None:
    assert setting(backend, "0.01,0.02,0.03/100") == 200
    answers = [backend.get("/orders") for _ in range(5)]
    assert [answer.json()["delay"] for answer in answers] == [0.01, 0.02, 0.03, 0.01, 0.02]
    assert {len(answer.body) for answer in answers} == {100}


BAD_DELAYS = ("", "61", "x", "0.1,", ",0.1", "0.1,x", "0.1,61")
BAD_SIZES = ("x", "-1", f"{(1 << 20) + 1}", "9" * 5000)


@pytest.mark.parametrize("text", [*BAD_DELAYS, *(f"0.1/{size}" for size in BAD_SIZES)])
def test_a_bad_one(backend: Backend, text: str) -> None:
    assert setting(backend, text) == 400
