"""`/fanout`: all calls made, all ids in order, as many at once as the model can wait for."""

from __future__ import annotations

import math

import pytest

from tests.contract import fake_backend
from tests.contract.client import (
    HELD_UP_S,
    ask,
    check,
    echo,
    error,
    fanned_out,
    identified,
    settle,
    together,
    until,
)
from tests.contract.conftest import TIMEOUT_S, Backend, Service
from tests.contract.fake_backend import Behaviour, FakeBackend
from tests.contract.test_broken_backend import MOST_CALLS

pytestmark = pytest.mark.part("app")

CALLS, DELAY = 25, "0.3"  # five at a time they take longer than the timeout of `limited`


@pytest.mark.parametrize("request_id", ["", "a-1", "x" * 64], ids=["no id", "id", "long id"])
def test_ids_in_order(service: Service, request_id: str) -> None:
    headers = identified(request_id) if request_id else ()
    for calls in (1, 2, 7, 100):
        answer = ask(service.url, f"/fanout?calls={calls}&delay=0.000", headers=headers)
        check(answer, 200, fanned_out("0.000", request_id, calls))


def test_the_calls_of_the_backend(doubtful: Service, fake: FakeBackend) -> None:
    answer = ask(doubtful.url, "/fanout?calls=9&delay=1.50", headers=identified("see"))
    check(answer, 200, fanned_out("1.50", "see", 9))
    assert {(call.method, call.target) for call in fake.calls} == {("GET", "/delay/1.50")}
    assert sorted(call.request_id for call in fake.calls) == [f"see.{n}" for n in range(1, 10)]


def test_ids_are_those_of_the_answers(doubtful: Service, fake: FakeBackend) -> None:
    body = b'{"delay":1,"id":"another"}'
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    other = head % len(body) + body
    fake.behave = fake_backend.by_number({2: lambda peer, _: peer.sendall(other)})
    answer = ask(doubtful.url, "/fanout?calls=3&delay=1", headers=identified("a"))
    check(answer, 200, b'{"delay":1,"ids":["a.1","another","a.3"]}')


def test_answers_in_another_order(doubtful: Service, fake: FakeBackend) -> None:
    late = {number: fake_backend.late(0.02 * (6 - number)) for number in range(1, 6)}
    fake.behave = fake_backend.by_number(late)
    answer = ask(doubtful.url, "/fanout?calls=5&delay=1", headers=identified("o"))
    check(answer, 200, fanned_out("1", "o", 5))


def test_takes_about_one_delay(service: Service, backend: Backend, serial: bool) -> None:
    """The best of a few times counts: other processes may take the CPU meanwhile."""
    delay = "0.05" if serial else DELAY

    def takes_s() -> float:
        backend.reset()
        answer = ask(service.url, f"/fanout?calls={CALLS}&delay={delay}", headers=identified("t"))
        check(answer, 200, fanned_out(delay, "t", CALLS))
        assert answer.elapsed_s >= float(delay) * (CALLS if serial else 1)
        assert backend.stats()["calls"] == CALLS
        return answer.elapsed_s

    if serial:
        takes_s()
        assert backend.stats()["peak_in_flight"] == 1
    else:
        assert until(lambda: takes_s() < 2 * float(delay), HELD_UP_S)
        assert backend.stats()["peak_in_flight"] == CALLS


def test_calls_above_concurrency_wait_in_line(
    limited: Service, backend: Backend, serial: bool
) -> None:
    """Longer, all together, than the timeout of one call."""
    at_once, delay = (1, "0.05") if serial else (5, DELAY)
    backend.reset()
    answer = ask(limited.url, f"/fanout?calls={CALLS}&delay={delay}", headers=identified("line"))
    check(answer, 200, fanned_out(delay, "line", CALLS))
    assert answer.elapsed_s >= math.ceil(CALLS / at_once) * float(delay)
    stats = backend.stats()
    assert stats["calls"] == CALLS
    assert (1 if serial else 3) <= stats["peak_in_flight"] <= at_once


def test_many_at_once_do_not_wait_for_each_other(limited: Service, backend: Backend) -> None:
    """More requests than slots, each with calls that need slots, too."""
    backend.reset()
    asks = [("/fanout?calls=6&delay=0.01", identified(f"f{number}")) for number in range(12)]
    asks += [("/?delay=0.01", identified(f"i{number}")) for number in range(12)]
    answers = together(limited.url, [asks[number * 7 % 24] for number in range(24)])
    for number, answer in zip([number * 7 % 24 for number in range(24)], answers, strict=True):
        if number < 12:
            check(answer, 200, fanned_out("0.01", f"f{number}", 6))
        else:
            check(answer, 200, echo("0.01", f"i{number - 12}"))
    stats = backend.stats()
    assert stats["calls"] == 12 * 6 + 12
    assert stats["peak_in_flight"] <= 5


@pytest.mark.part("client")
def test_kept_connections_that_went_stale(
    doubtful: Service, fake: FakeBackend, strict: bool
) -> None:
    for _ in range(3):
        fake.behave = fake_backend.late(0.05)
        check(ask(doubtful.url, "/fanout?calls=8&delay=0"), 200, fanned_out("0", "", 8))
        fake.behave = fake_backend.answer
        fake.refuse()
        fake.listen()
        answer = ask(doubtful.url, "/fanout?calls=8&delay=0")
        if strict or answer.status != 502:
            check(answer, 200, fanned_out("0", "", 8))
        # One stale connection at most may show where a library decides, for each there is.
        assert until(lambda: ask(doubtful.url, "/fanout?calls=8&delay=0").status == 200)


@pytest.mark.part("client")
def test_backend_down(doubtful: Service, fake: FakeBackend) -> None:
    fake.refuse()
    check(ask(doubtful.url, "/fanout?calls=5&delay=0"), 502, broken(fake))
    fake.listen()
    check(ask(doubtful.url, "/fanout?calls=5&delay=0"), 200, fanned_out("0", "", 5))


FAILURES: dict[str, Behaviour] = {
    "500": fake_backend.has_status("500 Internal Server Error"),
    "drops in the body": fake_backend.only(lambda whole: whole[:-3], fake_backend.drop),
    "garbage": fake_backend.says(b"\x00\x01\x02 what?\r\n\r\n"),
    "not JSON": fake_backend.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{]"),
    "no id": fake_backend.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
    "no object": fake_backend.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"),
    "not UTF-8": fake_backend.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n\xff\xfe"),
}


@pytest.mark.parametrize("way", FAILURES)
@pytest.mark.part("client")
def test_one_call_fails(doubtful: Service, fake: FakeBackend, way: str) -> None:
    for failing in (1, 3, 5):
        fake.behave = fake_backend.by_number({failing: FAILURES[way]})
        answer = ask(doubtful.url, "/fanout?calls=5&delay=0", headers=identified("f"))
        check(answer, 502, broken(fake), f"call {failing}")
        assert until(lambda: fake.in_flight() == 0)  # none is closed as it is used again
        fake.behave = fake_backend.answer
        answer = ask(doubtful.url, "/fanout?calls=5&delay=2", headers=identified("next"))
        check(answer, 200, fanned_out("2", "next", 5))


@pytest.mark.part("client")
def test_one_call_is_slow(doubtful: Service, fake: FakeBackend) -> None:
    settle(doubtful.url)
    fake.behave = fake_backend.by_number({3: fake_backend.silent})
    answer = ask(doubtful.url, "/fanout?calls=5&delay=0", headers=identified("s"))
    check(answer, 504, error(f"backend {fake.url} did not answer within {TIMEOUT_S:g} s"))
    assert TIMEOUT_S * 0.9 <= answer.elapsed_s < MOST_CALLS * TIMEOUT_S + HELD_UP_S
    fake.behave = fake_backend.answer
    answer = ask(doubtful.url, "/fanout?calls=5&delay=2", headers=identified("next"))
    check(answer, 200, fanned_out("2", "next", 5))


@pytest.mark.part("client")
def test_nothing_is_left_running(doubtful: Service, fake: FakeBackend) -> None:
    """After a failure the other calls are cancelled, or awaited."""
    chosen = {1: fake_backend.has_status("500 Internal Server Error")}
    fake.behave = fake_backend.by_number(chosen, fake_backend.trickle(pieces=4, pause_s=0.3))
    check(ask(doubtful.url, "/fanout?calls=9&delay=0", headers=identified("l")), 502, broken(fake))
    assert until(lambda: fake.in_flight() == 0)
    assert len(fake.calls) <= 9


def broken(fake: FakeBackend) -> bytes:
    return error(f"backend {fake.url} gave no valid answer")
