"""A backend that fails: the service's answers, and how often it calls again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.contract import fake_backend
from tests.contract.client import (
    HELD_UP_S,
    Answer,
    ask,
    check,
    echo,
    error,
    identified,
    settle,
    together,
    until,
)
from tests.contract.conftest import TIMEOUT_S, Service, without_traceback
from tests.contract.fake_backend import Behaviour, FakeBackend, Welcome

pytestmark = pytest.mark.part("client")


MANY = 8
MOST_CALLS = 2  # of one request, where a library decides what it sends again


@pytest.fixture(autouse=True)
def _without_traceback(doubtful: Service, strict: bool) -> Iterator[None]:
    """No traceback in the log of a `strict` service; a library may log as it likes."""
    with without_traceback(doubtful) if strict else contextlib.nullcontext():
        yield


BROKEN: dict[str, Behaviour] = {
    "drops": fake_backend.drop,
    "resets": fake_backend.reset,
    "drops in the status line": fake_backend.only(lambda whole: whole[:9], fake_backend.drop),
    "drops in the head": fake_backend.only(lambda whole: whole[:40], fake_backend.drop),
    "resets in the head": fake_backend.only(lambda whole: whole[:40], fake_backend.reset),
    "drops before the body": fake_backend.only(
        lambda whole: whole.partition(b"{")[0], fake_backend.drop
    ),
    "drops in the body": fake_backend.only(lambda whole: whole[:-3], fake_backend.drop),
    "resets in the body": fake_backend.only(lambda whole: whole[:-3], fake_backend.reset),
    "garbage": fake_backend.says(b"\x00\x01\x02 what?\r\n\r\n"),
    "another protocol": fake_backend.says(b"220 mail.example ESMTP\r\n"),
    "bad length": fake_backend.says(b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n{}"),
    "shorter than its length": fake_backend.says(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}"),
    "bad chunks": fake_backend.says(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n"
    ),
    "500": fake_backend.has_status("500 Internal Server Error"),
    "404": fake_backend.has_status("404 Not Found"),
    "201": fake_backend.has_status("201 Created"),
    "redirect": fake_backend.has_status("302 Found", "Location: /delay/7"),
    "503 come back": fake_backend.has_status("503 Service Unavailable", "Retry-After: 0"),
}
NOTHING_CAME_BACK = {"drops", "resets"}
MALFORMED = {"drops in the head", "bad length"}  # which Python's http.client takes for answers
WAYS = [
    pytest.param(way, marks=pytest.mark.rule("malformed answer") if way in MALFORMED else ())
    for way in BROKEN
]
SLOW: dict[str, Behaviour] = {
    "silent": fake_backend.silent,
    "silent-in-the-head": fake_backend.only(lambda whole: whole[:40], fake_backend.silent),
    "silent-in-the-body": fake_backend.only(lambda whole: whole[:-3], fake_backend.silent),
    "later-than-the-timeout": fake_backend.late(TIMEOUT_S + 2),
}


def test_down(doubtful: Service, fake: FakeBackend) -> None:
    fake.refuse()
    check(ask(doubtful.url, "/?delay=0"), 502, broken(fake))
    check(ask(doubtful.url, "/health"), 200, b'{"status":"ok"}')


@pytest.mark.parametrize("way", WAYS)
def test_broken(doubtful: Service, fake: FakeBackend, strict: bool, way: str) -> None:
    without_idle_connections(doubtful, fake)
    fake.behave = BROKEN[way]
    check_broken(ask(doubtful.url, "/?delay=0"), fake, strict)
    # Only where nothing came back might a client take a new connection for a stale one.
    assert len(fake.calls) <= (max(map(len, attempts(way))) if strict else MOST_CALLS)
    fake.behave = fake_backend.answer
    check(ask(doubtful.url, "/?delay=0", headers=identified("b")), 200, echo("0", "b"))


@pytest.mark.parametrize("way", WAYS)
def test_broken_on_a_kept_connection(
    doubtful: Service, fake: FakeBackend, strict: bool, way: str
) -> None:
    """A call without any answer is repeated on a new connection: the old one may be stale."""
    without_idle_connections(doubtful, fake)
    fake.behave = fake_backend.answer
    check(ask(doubtful.url, "/?delay=0"), 200, echo("0"))
    fake.calls.clear()
    fake.behave = BROKEN[way]
    check_broken(ask(doubtful.url, "/?delay=0"), fake, strict)
    if strict:
        assert [call.nth for call in fake.calls] in attempts(way)
    else:
        assert len(fake.calls) <= MOST_CALLS
    fake.behave = fake_backend.answer
    check(ask(doubtful.url, "/?delay=0", headers=identified("b")), 200, echo("0", "b"))


@pytest.fixture(scope="module")
def slow(doubtful: Service, _fake: FakeBackend) -> dict[str, tuple[Answer, Answer, int]]:
    """The answers to a call of each kind of SLOW and to the next one, and how often it was sent.

    All at once, for each of them takes the whole timeout.
    """
    _fake.forget()
    settle(doubtful.url)
    check(ask(doubtful.url, "/?delay=0"), 200, echo("0"))  # leaves a kept connection to one of them
    _fake.behave = fake_backend.by_id(SLOW)
    answers = together(doubtful.url, [("/?delay=0", identified(way)) for way in SLOW])
    # Not what the slow calls would have got.
    nexts = together(doubtful.url, [("/?delay=1", identified(f"{way}-next")) for way in SLOW])
    sent = [sum(call.request_id == way for call in _fake.calls) for way in SLOW]
    return dict(zip(SLOW, zip(answers, nexts, sent, strict=True), strict=True))


@pytest.mark.parametrize("way", SLOW)
def test_slow(
    slow: dict[str, tuple[Answer, Answer, int]],
    fake: FakeBackend,
    strict: bool,
    serial: bool,
    way: str,
) -> None:
    answer, following, sent = slow[way]
    check(answer, 504, error(f"backend {fake.url} did not answer within {TIMEOUT_S:g} s"))
    most_calls = 1 if strict else MOST_CALLS
    one_after_the_other = len(SLOW) if serial else 1
    least_s, most_s = TIMEOUT_S * 0.9, TIMEOUT_S * most_calls * one_after_the_other
    assert least_s <= answer.elapsed_s < most_s + HELD_UP_S
    assert 1 <= sent <= most_calls
    check(following, 200, echo("1", f"{way}-next"))


@pytest.mark.rule("trickle")
def test_slow_bit_by_bit_is_not_silent(doubtful: Service, fake: FakeBackend) -> None:
    fake.behave = fake_backend.trickle(pieces=6, pause_s=TIMEOUT_S / 4)
    answer = ask(doubtful.url, "/?delay=0", headers=identified("bits"))
    check(answer, 200, echo("0", "bits"))
    assert answer.elapsed_s >= TIMEOUT_S * 1.4


@pytest.mark.rule("client keep-alive")
def test_connection_is_kept(doubtful: Service, fake: FakeBackend) -> None:
    for number in range(10):
        request_id = f"kept-{number}"
        answer = ask(doubtful.url, "/?delay=0", headers=identified(request_id))
        check(answer, 200, echo("0", request_id))
    assert len({call.connection for call in fake.calls}) == 1


@pytest.mark.parametrize("abruptly", [False, True])
def test_restarted(doubtful: Service, fake: FakeBackend, strict: bool, abruptly: bool) -> None:
    """Idle connections that went stale between two requests do not make a request fail."""
    for _ in range(3):
        fill_pool(doubtful, fake)
        if abruptly:
            fake.hang_up(abruptly=True)
        fake.refuse()
        fake.listen()
        recovers(doubtful, fake, strict)


def test_down_for_a_while(doubtful: Service, fake: FakeBackend, strict: bool) -> None:
    fill_pool(doubtful, fake)
    fake.refuse()
    for _ in range(MANY + 1):
        check(ask(doubtful.url, "/?delay=0"), 502, broken(fake))
    fake.listen()
    recovers(doubtful, fake, strict)


@pytest.mark.rule("retries")
@pytest.mark.parametrize("ending", [fake_backend.drop, fake_backend.reset])
def test_connection_closed_as_it_is_used(
    doubtful: Service, fake: FakeBackend, strict: bool, ending: Behaviour
) -> None:
    """A retry must not take another idle connection: the backend closes all of them."""
    fill_pool(doubtful, fake)
    fake.behave = fake_backend.first_only(ending)
    for number in range(MANY):
        request_id = f"again-{number}"
        answer = ask(doubtful.url, "/?delay=0", headers=identified(request_id))
        answered(answer, request_id, fake, strict)
    fake.behave = fake_backend.answer
    fill_pool(doubtful, fake)
    fake.behave = fake_backend.first_only(ending)
    all_answered(doubtful, fake, strict)
    fake.behave = fake_backend.answer
    recovers(doubtful, fake, strict=False)


@pytest.mark.parametrize("ending", [fake_backend.drop, fake_backend.reset])
def test_connection_closed_as_it_opens(
    doubtful: Service, fake: FakeBackend, ending: Welcome
) -> None:
    """A connection that is closed before the request is sent must not cost the timeout."""
    without_idle_connections(doubtful, fake)
    fake.welcome = ending
    for answer in together(doubtful.url, [("/?delay=0", {})] * MANY * 5):
        check(answer, 502, broken(fake))  # a 504 would have waited
    fake.welcome = fake_backend.nothing
    recovers(doubtful, fake, strict=False)


def test_connection_closed_on_announcement(doubtful: Service, fake: FakeBackend) -> None:
    # It leaves them open all the same: whoever uses one again is found out.
    fake.behave = fake_backend.has_status("200 OK", "Connection: close")
    for _ in range(3):
        check(ask(doubtful.url, "/?delay=0"), 200, echo("0"))
    assert [call.nth for call in fake.calls][1:] == [1, 1]


@pytest.mark.rule("second answer")
def test_a_second_answer_is_nobodys(doubtful: Service, fake: FakeBackend) -> None:
    """It may cost its connection, or the next request a 502; that one must not get it."""
    fake.behave = fake_backend.twice
    for number in range(MANY):
        request_id = f"twice-{number}"
        answer = ask(doubtful.url, "/?delay=0", headers=identified(request_id))
        answered(answer, request_id, fake, strict=False)
    fake.behave = fake_backend.answer
    recovers(doubtful, fake, strict=False)


def test_chunked_body(doubtful: Service, fake: FakeBackend) -> None:
    without_idle_connections(doubtful, fake)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    fake.behave = fake_backend.says(head + b"2\r\n{}\r\n1\r\n\n\r\n0\r\n\r\n")
    check(ask(doubtful.url, "/?delay=0"), 200, b"{}\n")
    assert until(lambda: fake.open_connections() == 0)  # a client without retries would use it
    fake.behave = fake_backend.answer
    check(ask(doubtful.url, "/?delay=0"), 200, echo("0"))


def attempts(way: str) -> list[list[int]]:
    """The calls there may be on a kept connection and a new one: `nth` on its connection."""
    if way in NOTHING_CAME_BACK:
        return [[2, 1]]
    if way == "resets in the head":  # a reset may take with it what was received
        return [[2], [2, 1]]
    return [[2]]


def check_broken(answer: Answer, fake: FakeBackend, strict: bool) -> None:
    """A 502; a library may also see no end of the answer, up to the timeout."""
    if strict or answer.status != 504:
        check(answer, 502, broken(fake))


def broken(fake: FakeBackend) -> bytes:
    return error(f"backend {fake.url} gave no valid answer")


def without_idle_connections(service: Service, fake: FakeBackend) -> None:
    """Make the service's pool empty: the backend closes each after one more answer."""
    settle(service.url)
    fake.behave = fake_backend.has_status("200 OK", "Connection: close")
    for _ in range(20):
        fake.calls.clear()
        check(ask(service.url, "/?delay=0"), 200, echo("0"))
        if fake.calls[-1].nth == 1:
            break
    fake.hang_up()
    assert until(lambda: fake.open_connections() == 0)
    fake.calls.clear()


def fill_pool(service: Service, fake: FakeBackend) -> None:
    """Give the service as many idle connections as it opens for MANY requests at once."""
    fake.behave = fake_backend.late(0.05)
    recovers(service, fake, strict=False)  # of idle ones that tests before this one left
    fake.behave = fake_backend.answer
    fake.calls.clear()


def recovers(service: Service, fake: FakeBackend, strict: bool) -> None:
    """Everything is answered again: at once, or after one 502 at most for each kept connection."""
    if not strict:
        for _ in range(MANY + 1):
            if all_answered(service, fake, strict):
                break
    assert all_answered(service, fake, strict=True)


def all_answered(service: Service, fake: FakeBackend, strict: bool) -> bool:
    """Ask MANY at once; whether all were good. Where the rule is not `strict` some may be 502."""
    fake.calls.clear()
    asks = [("/?delay=0", identified(f"all-{number}")) for number in range(MANY)]
    answers = together(service.url, asks)
    for number, answer in enumerate(answers):
        answered(answer, f"all-{number}", fake, strict)
    return all(answer.status == 200 for answer in answers)


def answered(answer: Answer, request_id: str, fake: FakeBackend, strict: bool) -> None:
    """Assert that it is the right answer or, where a stale connection may show, a 502."""
    if strict or answer.status == 200:
        check(answer, 200, echo("0", request_id))
    else:
        check(answer, 502, broken(fake))
    sent = sum(call.request_id == request_id for call in fake.calls)
    assert strict or sent <= MOST_CALLS
