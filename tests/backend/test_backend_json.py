"""`GET /delay/S/BYTES`: JSON of a given size, as an API returns it."""

from __future__ import annotations

import time

import pytest

from tests.backend.running import Backend, get

BAD_SIZE = b'{"error":"size must be given once, as a whole number from 0 to 1048576"}'
PLAIN = b'{"delay":0,"id":""}'


@pytest.mark.parametrize("size", [*range(18, 60), 150, 151, 2048, 20480, 1 << 20])
@pytest.mark.parametrize("request_id", ["", "a", "x" * 68])
def test_it_has_exactly_the_size_that_was_asked_for(
    backend: Backend, size: int, request_id: str
) -> None:
    fields = [f"X-Request-ID: {request_id}"] if request_id else []
    answer = backend.ask(get(f"/delay/0/{size}", *fields))
    assert answer.status == 200
    assert len(answer.body) == max(size, len(PLAIN) + len(request_id))
    assert answer.json().items() >= {"delay": 0, "id": request_id}.items()


@pytest.mark.parametrize("size", ["0", "1", "19"])
def test_of_no_size_it_is_the_plain_answer(backend: Backend, size: str) -> None:
    assert backend.get(f"/delay/0/{size}").body == PLAIN


def test_it_is_made_of_many_small_objects(backend: Backend) -> None:
    """To parse one long string of that size would cost next to nothing."""
    answer = backend.get("/delay/0.05/20480").json()
    items = answer.pop("items")
    assert [item["id"] for item in items] == list(range(1, len(items) + 1))
    assert {type(value) for item in items for value in item.values()} == {int, str, float, list}
    assert len(items) > 200
    assert len(answer["fill"]) < 100


def test_it_takes_the_delay_and_counts_as_a_call(backend: Backend) -> None:
    begun = time.monotonic()
    with backend.client() as client:
        for number in range(3):  # on one connection, which usual calls follow
            client.send(get("/delay/0.05/300000", f"X-Request-ID: {number}"))
            assert client.answer().json()["id"] == str(number)
            client.send(get("/delay/0.05", f"X-Request-ID: {number}"))
            assert client.answer().body == b'{"delay":0.05,"id":"%d"}' % number
    assert time.monotonic() - begun >= 0.3
    assert backend.stats()["answered"] == backend.stats()["calls"] == 6


def test_a_fault_spoils_it_as_any_other_call(backend: Backend) -> None:
    assert backend.ask(get("/fault/503/1/60", method="POST")).status == 200
    assert backend.get("/delay/0/2048").status == 503
    assert backend.ask(get("/reset", method="POST")).status == 200
    assert backend.get("/delay/0/2048").status == 200


@pytest.mark.parametrize(
    "size", ["", "-1", "+1", "00", "01", "1.0", "1e3", "0x10", "x", "1/2", "1048577", "9" * 5000]
)
def test_a_bad_size(backend: Backend, size: str) -> None:
    answer = backend.get(f"/delay/0/{size}")
    assert (answer.status, answer.body) == (400, BAD_SIZE)
    assert backend.stats()["calls"] == 0


def test_a_bad_delay_is_named_first(backend: Backend) -> None:
    assert b"delay must be" in backend.get("/delay/x/x").body
