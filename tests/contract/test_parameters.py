"""`delay` and `X-Request-ID`, good and bad."""

from __future__ import annotations

import contextlib

import pytest

from tests.contract.client import Closed, Connection, ask, check, echo, error, identified
from tests.contract.conftest import Service
from tests.contract.fake_backend import FakeBackend

pytestmark = pytest.mark.part("server")

BAD_DELAY = error(
    "delay must be given once, as a decimal number of seconds from 0 to 60, such as 0.1"
)
BAD_ID = error("X-Request-ID must be 1 to 64 letters, digits or any of . _ : -")
REFUSED = {400, 413, 414, 431}

# The query, and the delay in it as it must reach the backend and come back.
GOOD_QUERIES = {
    "delay=0": "0",
    "delay=0.0": "0.0",
    "delay=0.10": "0.10",
    "delay=0.000001": "0.000001",
    "delay=9": "9",
    "delay=60": "60",
    "delay=60.000000": "60.000000",
    "delay=59.999999": "59.999999",
    "delay=%30%2e%31": "0.1",
    "delay=%36%30": "60",
    "d%65lay=0.5": "0.5",
    "delay=1&x=2": "1",
    "x=%ff&delay=1": "1",
    "delay2=5&delay=1": "1",
    "&delay=1&": "1",
    "Delay=5&delay=1&DELAY=7": "1",
    "x[]=a&x=b&delay=1": "1",
}
BAD_QUERIES = [
    "",
    "delay",
    "delay=",
    "delay=&",
    "=1",
    "x=1",
    "Delay=1",
    "delay=0.1&delay=0.1",
    "delay=0.1&delay=",
    "delay=&delay=0.1",
    "delay=0.1&delay",
    "delay=0.1&d%65lay=0.1",
    "delay=-1",
    "delay=-0",
    "delay=-0.1",
    "delay=+1",
    "delay=%2B1",
    "delay=61",
    "delay=60.000001",
    "delay=99.9",
    "delay=600",
    "delay=1000000000000000000000",
    "delay=" + "9" * 400,
    "delay=0." + "0" * 400 + "1",
    "delay=nan",
    "delay=NaN",
    "delay=inf",
    "delay=-inf",
    "delay=Infinity",
    "delay=1e-1",
    "delay=1E1",
    "delay=.5",
    "delay=5.",
    "delay=.",
    "delay=00",
    "delay=01",
    "delay=00.1",
    "delay=0.1.2",
    "delay=0.1234567",
    "delay=0x10",
    "delay=1_0",
    "delay=1,5",
    "delay=abc",
    "delay=true",
    "delay=1s",
    "delay=[1]",
    "delay[]=1",
    "delay=%22",
    "delay=%D9%A1",  # ARABIC-INDIC DIGIT ONE
    "delay=%EF%BC%91",  # FULLWIDTH DIGIT ONE
    "delay=%C2%B2",  # SUPERSCRIPT TWO
    "delay=%FF",
    "delay=1%0A",
    "delay=1%0D%0A",
    "delay=%0A1",
    "delay=1%20",
    "delay=%201",
    "delay=1+",
    "delay=1%09",
    "delay=%00",
    "delay=1%00",
    "delay=1%2F..%2F..%2Fstats",
    "delay=1%3Fx",
    "delay=0.1;x=1",
    "delay=%",
    "delay=%zz",
    "delay=1%",
    "delay=%2530",
]
GOOD_IDS = ["a", "0", "A.z_0:9-", "-", "x" * 64, "550e8400-e29b-41d4-a716-446655440000"]
BAD_IDS = [
    "",
    "x" * 65,
    "a b",
    "a\tb",
    'a"b',
    "a'b",
    "a,b",
    "a/b",
    "a\\b",
    "{}",
    "a%20",
    "é",
    "a\xad",
]


def test_good_delay(doubtful: Service, fake: FakeBackend) -> None:
    for query, delay in GOOD_QUERIES.items():
        accepted(doubtful, fake, query, delay)


def test_bad_delay(doubtful: Service, fake: FakeBackend) -> None:
    for query in BAD_QUERIES:
        check(ask(doubtful.url, f"/?{query}"), 400, BAD_DELAY, query)
    check(ask(doubtful.url, "/"), 400, BAD_DELAY)
    assert fake.calls == []


def test_long_delay(doubtful: Service, fake: FakeBackend) -> None:
    for delay in ("1" * 10_000, "0." + "1" * 10_000, "%31" * 3_400):
        refused(doubtful, f"/?delay={delay}", {})
    assert fake.calls == []


def test_delay_that_is_no_url(doubtful: Service, fake: FakeBackend) -> None:
    for data in (b"\xff", b"1\x00", b"\xd9\xa1", b"1 2", b"1\x0b2"):
        with Connection(doubtful.url) as connection:
            connection.send_bytes(b"GET /?delay=" + data + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            with contextlib.suppress(Closed):
                assert connection.receive().status in REFUSED, data
    assert fake.calls == []


def test_head_is_a_call_too(doubtful: Service, fake: FakeBackend) -> None:
    assert ask(doubtful.url, "/?delay=0.5", "HEAD", identified("h")).status == 200
    (call,) = fake.calls
    assert (call.method, call.target) == ("GET", "/delay/0.5")
    assert call.headers["x-request-id"] == "h"


def test_good_id(doubtful: Service, fake: FakeBackend) -> None:
    for request_id in GOOD_IDS:
        fake.calls.clear()
        answer = ask(doubtful.url, "/?delay=1", headers=identified(request_id))
        check(answer, 200, echo("1", request_id))
        assert [call.headers["x-request-id"] for call in fake.calls] == [request_id]


def test_space_around_an_id_is_not_part_of_it(service: Service) -> None:
    check(ask(service.url, "/?delay=0", headers=identified(" \t a \t ")), 200, echo("0", "a"))


def test_id_in_any_case_of_the_header(service: Service) -> None:
    check(ask(service.url, "/?delay=0", headers=[("x-ReQuest-iD", "aB")]), 200, echo("0", "aB"))


def test_no_id_means_no_header(doubtful: Service, fake: FakeBackend) -> None:
    check(ask(doubtful.url, "/?delay=1", headers=[("X-Request", "a")]), 200, echo("1"))
    (call,) = fake.calls
    assert "x-request-id" not in call.headers


def test_bad_id(doubtful: Service, fake: FakeBackend) -> None:
    for request_id in BAD_IDS:
        answer = ask(doubtful.url, "/?delay=1", headers=identified(request_id))
        check(answer, 400, BAD_ID, request_id)
    assert fake.calls == []


def test_two_ids(doubtful: Service, fake: FakeBackend) -> None:
    for ids in (("a", "b"), ("a", "a"), ("a", ""), ("", "a")):
        headers = [*identified(ids[0]), *identified(ids[1])]
        check(ask(doubtful.url, "/?delay=1", headers=headers), 400, BAD_ID, str(ids))
    assert fake.calls == []


def test_long_id(doubtful: Service, fake: FakeBackend) -> None:
    refused(doubtful, "/?delay=1", {"X-Request-ID": "x" * 10_000})
    assert fake.calls == []


def accepted(service: Service, fake: FakeBackend, query: str, delay: str) -> None:
    """The delay is passed on, and comes back, as it was written."""
    fake.calls.clear()
    check(ask(service.url, f"/?{query}"), 200, echo(delay), query)
    assert [(call.method, call.target) for call in fake.calls] == [("GET", f"/delay/{delay}")]


def refused(service: Service, target: str, headers: dict[str, str]) -> None:
    """A 400 of the handler or, as the head is long, any refusal of the server."""
    with contextlib.suppress(Closed):
        assert ask(service.url, target, headers=list(headers.items())).status in REFUSED
    check(ask(service.url, "/health"), 200, b'{"status":"ok"}')
