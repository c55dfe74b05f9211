"""`POST /stall/S`: for a while no call is answered."""

from __future__ import annotations

import time

import pytest

from tests.backend.running import Backend, get

STALL_S = 2.0  # a busy machine needs some of it for the calls that come meanwhile


@pytest.mark.parametrize("delay", ["0", "0.01", "0.3"])
def test_calls_due_meanwhile_are_answered_at_the_end(backend: Backend, delay: str) -> None:
    with backend.client() as before, backend.client() as during:
        before.send(get("/delay/0.2", "X-Request-ID: before"))
        backend.until(lambda stats: stats["in_flight"] == 1)
        begun = time.monotonic()
        stalled = backend.ask(get(f"/stall/{STALL_S}", method="POST"))
        assert (stalled.status, stalled.json()) == (200, {"status": "ok"})
        during.send(get(f"/delay/{delay}", "X-Request-ID: during"))
        stats = backend.until(lambda stats: stats["in_flight"] == 2)
        assert stats["answered"] == 0
        assert backend.get("/health").status == 200
        assert time.monotonic() - begun < STALL_S, "this machine is too busy for the test"
        for client, name in ((during, "during"), (before, "before")):
            assert client.answer().json()["id"] == name
            assert time.monotonic() - begun >= STALL_S
        assert backend.stats()["late_ms_max"] >= 1000 * (STALL_S - 0.5)


def test_a_delay_that_ends_later_is_not_longer(backend: Backend) -> None:
    with backend.client() as client:
        assert backend.ask(get("/stall/0.9", method="POST")).status == 200
        client.send(get("/delay/1.2"))
        client.answer()
    assert backend.stats()["late_ms_max"] < 700  # 900 if it began after the stall


def test_a_pipeline_keeps_its_order(backend: Backend) -> None:
    with backend.client() as client:
        assert backend.ask(get("/stall/0.2", method="POST")).status == 200
        client.send(b"".join(get("/delay/0", f"X-Request-ID: {n}") for n in range(5)))
        assert [client.answer().json()["id"] for _ in range(5)] == list("01234")


def test_it_ends_without_anything_due(backend: Backend) -> None:
    assert backend.ask(get("/stall/0.1", method="POST")).status == 200
    time.sleep(0.2)
    begun = time.monotonic()
    assert backend.get("/delay/0").status == 200
    assert time.monotonic() - begun < 5
    assert backend.stats()["in_flight"] == 0


def test_one_that_is_under_way_is_replaced(backend: Backend) -> None:
    for text in ("30", "0.1"):
        assert backend.ask(get(f"/stall/{text}", method="POST")).status == 200
    assert backend.get("/delay/0.01").status == 200  # or the client times out


@pytest.mark.parametrize("text", ["", "-1", "61", "x"])
def test_a_bad_one(backend: Backend, text: str) -> None:
    assert backend.ask(get(f"/stall/{text}", method="POST")).status == 400


def test_it_must_be_posted(backend: Backend) -> None:
    answer = backend.get("/stall/1")
    assert (answer.status, answer.fields["allow"]) == (405, "POST")
