"""What the service makes of a backend that fails, and how often it asks again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract import fake_backend
from tests.contract.client import ask, check, echo, error, identified, together, until
from tests.contract.conftest import Service, without_traceback
from tests.contract.fake_backend import Behaviour, FakeBackend, Welcome


@pytest.fixture(autouse=True)
def _without_traceback(doubtful: Service) -> Iterator[None]:
    with without_traceback(doubtful):
        yield


TIMEOUT_S = 0.5  # of the service `doubtful`
MANY = 8

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
SLOW: dict[str, Behaviour] = {
    "silent": fake_backend.silent,
    "silent in the head": fake_backend.only(lambda whole: whole[:40], fake_backend.silent),
    "silent in the body": fake_backend.only(lambda whole: whole[:-3], fake_backend.silent),
    "slower than the patience": fake_backend.late(TIMEOUT_S + 0.3),
}


def test_down(doubtful: Service, fake: FakeBackend) -> None:
    fake.refuse()
    check(ask(doubtful.url, "/?delay=0"), 502, broken(fake))
    check(ask(doubtful.url, "/health"), 200, b'{"status":"ok"}')


@pytest.mark.parametrize("way", BROKEN)
def test_broken(doubtful: Service, fake: FakeBackend, way: str) -> None:
    without_idle_connections(doubtful, fake)
    fake.behave = BROKEN[way]
    check(ask(doubtful.url, "/?delay=0"), 502, broken(fake))
    # Only where nothing came back might a client take a new connection for a stale one.
    assert len(fake.calls) <= max(map(len, attempts(way)))
    fake.behave = fake_backend.answer
    check(ask(doubtful.url, "/?delay=0", headers=identified("b")), 200, echo("0", "b"))


@pytest.mark.parametrize("way", BROKEN)
def test_broken_on_a_kept_connection(doubtful: Service, fake: FakeBackend, way: str) -> None:
    """Where nothing came back, the connection may have been stale: once more, on a new one."""
    check(ask(doubtful.url, "/?delay=0"), 200, echo("0"))
    fake.calls.clear()
    fake.behave = BROKEN[way]
    check(ask(doubtful.url, "/?delay=0"), 502, broken(fake))
    assert [call.nth for call in fake.calls] in attempts(way)
    fake.behave = fake_backend.answer
    check(ask(doubtful.url, "/?delay=0", headers=identified("b")), 200, echo("0", "b"))


@pytest.mark.parametrize("way", SLOW)
def test_slow(doubtful: Service, fake: FakeBackend, way: str) -> None:
    fake.behave = SLOW[way]
    answer = ask(doubtful.url, "/?delay=0", headers=identified("slow"))
    message = f"backend {fake.url} did not answer within {TIMEOUT_S:g} s"
    check(answer, 504, error(message))
    assert TIMEOUT_S * 0.9 <= answer.elapsed_s < TIMEOUT_S + 2
    assert len(fake.calls) == 1
    fake.behave = fake_backend.answer
    # Not what the slow call would have got.
    check(ask(doubtful.url, "/?delay=1", headers=identified("next")), 200, echo("1", "next"))


def test_slow_bit_by_bit_is_not_silent(doubtful: Service, fake: FakeBackend) -> None:
    fake.behave = fake_backend.trickle(pieces=6, pause_s=TIMEOUT_S / 4)
    answer = ask(doubtful.url, "/?delay=0", headers=identified("bits"))
    check(answer, 200, echo("0", "bits"))
    assert answer.elapsed_s >= TIMEOUT_S * 1.4


def test_slow_on_a_kept_connection_is_not_asked_again(doubtful: Service, fake: FakeBackend) -> None:
    check(ask(doubtful.url, "/?delay=0"), 200, echo("0"))
    fake.calls.clear()
    fake.behave = fake_backend.silent
    assert ask(doubtful.url, "/?delay=0").status == 504
    assert [call.nth for call in fake.calls] == [2]


def test_connection_is_kept(doubtful: Service, fake: FakeBackend) -> None:
    for number in range(10):
        request_id = f"kept-{number}"
        check(
            ask(doubtful.url, "/?delay=0", headers=identified(request_id)),
            200,
            echo("0", request_id),
        )
    assert len({call.connection for call in fake.calls}) == 1


@pytest.mark.parametrize("abruptly", [False, True])
def test_restarted(doubtful: Service, fake: FakeBackend, abruptly: bool) -> None:
    """Idle connections that went stale between two requests are not the client's problem."""
    for _ in range(3):
        fill_pool(doubtful, fake)
        if abruptly:
            fake.hang_up(abruptly=True)
        fake.refuse()
        fake.listen()
        check(ask(doubtful.url, "/?delay=0", headers=identified("one")), 200, echo("0", "one"))
        all_answered(doubtful)


def test_down_for_a_while(doubtful: Service, fake: FakeBackend) -> None:
    fill_pool(doubtful, fake)
    fake.refuse()
    for _ in range(MANY + 1):
        check(ask(doubtful.url, "/?delay=0"), 502, broken(fake))
    fake.listen()
    all_answered(doubtful)


@pytest.mark.parametrize("ending", [fake_backend.drop, fake_backend.reset])
def test_connection_closed_as_it_is_used(
    doubtful: Service, fake: FakeBackend, ending: Behaviour
) -> None:
    """A retry that takes another idle connection meets the same end there."""
    fill_pool(doubtful, fake)
    fake.behave = fake_backend.first_only(ending)
    for number in range(MANY):
        request_id = f"again-{number}"
        check(
            ask(doubtful.url, "/?delay=0", headers=identified(request_id)),
            200,
            echo("0", request_id),
        )
    fake.behave = fake_backend.answer
    fill_pool(doubtful, fake)
    fake.behave = fake_backend.first_only(ending)
    all_answered(doubtful)


@pytest.mark.parametrize("ending", [fake_backend.drop, fake_backend.reset])
def test_connection_closed_as_it_opens(
    doubtful: Service, fake: FakeBackend, ending: Welcome
) -> None:
    """It may be gone before the service has written to it, which must not wait for an answer."""
    without_idle_connections(doubtful, fake)
    fake.welcome = ending
    for answer in together(doubtful.url, [("/?delay=0", {})] * MANY * 5):
        check(answer, 502, broken(fake))
        assert answer.elapsed_s < TIMEOUT_S
    fake.welcome = fake_backend.nothing
    all_answered(doubtful)


def test_connection_closed_on_announcement(doubtful: Service, fake: FakeBackend) -> None:
    # It leaves them open all the same: whoever uses one again is found out.
    fake.behave = fake_backend.has_status("200 OK", "Connection: close")
    for _ in range(3):
        check(ask(doubtful.url, "/?delay=0"), 200, echo("0"))
    assert [call.nth for call in fake.calls][1:] == [1, 1]


def test_chunked_body(doubtful: Service, fake: FakeBackend) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n"
    fake.behave = fake_backend.says(head + b"2\r\n{}\r\n1\r\n\n\r\n0\r\n\r\n")
    check(ask(doubtful.url, "/?delay=0"), 200, b"{}\n")
    fake.behave = fake_backend.answer
    check(ask(doubtful.url, "/?delay=0"), 200, echo("0"))


def attempts(way: str) -> list[list[int]]:
    """The calls there may be on a kept connection and a new one: `nth` on its connection."""
    if way in NOTHING_CAME_BACK:
        return [[2, 1]]
    if way == "resets in the head":  # a reset may take with it what was received
        return [[2], [2, 1]]
    return [[2]]


def broken(fake: FakeBackend) -> bytes:
    return error(f"backend {fake.url} gave no valid answer")


def without_idle_connections(service: Service, fake: FakeBackend) -> None:
    """Make the service's pool empty: the backend closes each after one more answer."""
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
    all_answered(service)
    fake.behave = fake_backend.answer
    fake.calls.clear()


def all_answered(service: Service) -> None:
    asks = [("/?delay=0", identified(f"all-{number}")) for number in range(MANY)]
    for number, answer in enumerate(together(service.url, asks)):
        check(answer, 200, echo("0", f"all-{number}"))
