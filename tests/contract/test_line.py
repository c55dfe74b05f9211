"""`/line`: one line there, the same line back, on a connection of its own."""

from __future__ import annotations

import pytest

from tests.contract import fake_backend, fake_lines
from tests.contract.client import ask, check, echo, error, identified, until
from tests.contract.conftest import Backend, Service
from tests.contract.fake_backend import FakeBackend
from tests.contract.fake_lines import LineBehaviour
from tests.contract.test_concurrency import check_parallelism

pytestmark = pytest.mark.route("/line")

TIMEOUT_S = 0.5  # of the service `doubtful`

BROKEN: dict[str, LineBehaviour] = {
    "drops": fake_backend.drop,
    "resets": fake_backend.reset,
    "drops in the line": fake_lines.only(lambda line: line[:3], fake_backend.drop),
    "drops before the end of the line": fake_lines.only(lambda line: line[:-1], fake_backend.drop),
    "resets in the line": fake_lines.only(lambda line: line[:3], fake_backend.reset),
    "another id": fake_backend.says(b"0.10 b\n"),
    "another delay": fake_backend.says(b"0.1 a\n"),
    "an id too many": fake_lines.only(lambda line: line[:-1] + b" a\n", fake_backend.drop),
    "an empty line": fake_backend.says(b"\n"),
    "another end of line": fake_lines.only(lambda line: line[:-1] + b"\r\n", fake_backend.drop),
    "garbage": fake_backend.says(b"\x00\xff\xfe\n"),
    "more than a line": fake_backend.says(b"x" * 100_000),
    "a response": fake_backend.says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"),
}
SLOW: dict[str, LineBehaviour] = {
    "silent": fake_backend.silent,
    "silent before the end": fake_lines.only(lambda line: line[:-1], fake_backend.silent),
}


@pytest.mark.parametrize("request_id", ["a-1", "x" * 64], ids=["id", "long id"])
def test_line(service: Service, request_id: str) -> None:
    answer = ask(service.url, "/line?delay=0.010", headers=identified(request_id))
    check(answer, 200, echo("0.010", request_id))
    assert answer.elapsed_s >= 0.01


def test_line_without_an_id(service: Service) -> None:
    check(ask(service.url, "/line?delay=0"), 200, echo("0"))


@pytest.mark.parametrize(("request_id", "line"), [("", b"0.10 \n"), ("a:1", b"0.10 a:1\n")])
def test_what_the_backend_sees(
    doubtful: Service, fake: FakeBackend, request_id: str, line: bytes
) -> None:
    headers = identified(request_id) if request_id else ()
    check(ask(doubtful.url, "/line?delay=0.10", headers=headers), 200, echo("0.10", request_id))
    assert fake.lines == [line]
    assert fake.calls == []
    assert until(lambda: fake.open_lines() == 0, 1)


def test_head_is_a_call_too(doubtful: Service, fake: FakeBackend) -> None:
    assert ask(doubtful.url, "/line?delay=0", "HEAD", identified("h")).status == 200
    assert fake.lines == [b"0 h\n"]


def test_in_pieces(doubtful: Service, fake: FakeBackend) -> None:
    fake.behave_line = fake_lines.in_two(pause_s=0.1)
    check(ask(doubtful.url, "/line?delay=1", headers=identified("p")), 200, echo("1", "p"))


def test_down(doubtful: Service, fake: FakeBackend) -> None:
    fake.refuse()
    check(ask(doubtful.url, "/line?delay=0"), 502, broken(fake))
    fake.listen()
    check(ask(doubtful.url, "/line?delay=0"), 200, echo("0"))


@pytest.mark.parametrize("way", BROKEN)
def test_broken(doubtful: Service, fake: FakeBackend, way: str) -> None:
    fake.behave_line = BROKEN[way]
    check(ask(doubtful.url, "/line?delay=0.10", headers=identified("a")), 502, broken(fake))
    assert fake.lines == [b"0.10 a\n"]
    assert until(lambda: fake.open_lines() == 0, 1)
    fake.behave_line = fake_lines.same
    check(ask(doubtful.url, "/line?delay=2", headers=identified("b")), 200, echo("2", "b"))


@pytest.mark.parametrize("way", SLOW)
def test_slow(doubtful: Service, fake: FakeBackend, way: str) -> None:
    fake.behave_line = SLOW[way]
    answer = ask(doubtful.url, "/line?delay=0.10", headers=identified("a"))
    check(answer, 504, error(f"backend {fake.url} did not answer within {TIMEOUT_S:g} s"))
    assert TIMEOUT_S * 0.9 <= answer.elapsed_s < TIMEOUT_S + 2
    assert fake.lines == [b"0.10 a\n"]
    assert until(lambda: fake.open_lines() == 0, 1)


def test_as_parallel_as_it_says(service: Service, backend: Backend, slots: int) -> None:
    check_parallelism(service, backend, slots, "/line")


def test_concurrency_is_a_limit_and_the_rest_waits(limited: Service, backend: Backend) -> None:
    check_parallelism(limited, backend, limited.info()["slots"], "/line")


def broken(fake: FakeBackend) -> bytes:
    return error(f"backend {fake.url} gave no valid answer")
