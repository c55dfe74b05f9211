"""Exchanges whose answers gevent's hub reads end as those that a greenlet waits for, one by one."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

import gevent
import pytest
from servers import (
    Request,
    Server,
    after_delay,
    chunked,
    correct,
    in_pieces,
    reset,
    response,
    tls_of,
)

from loadtests.load import tls
from loadtests.load.connection import PAUSE, Body, Connection
from loadtests.load.failure import RequestFailed

REQUEST = b"GET /?delay=%s HTTP/1.1\r\nHost: test\r\nX-Request-ID: %d\r\n\r\n"
RIGHT = b'{"delay":0,"id":"%d"}'
# Answers that the hub cannot deal with, or only in part, and how their exchanges end.
CONDUCT = {
    "whole": "",
    "in pieces": "",
    "large": "",
    "chunked": "",
    "another head": "",
    "says that it closes": "",
    "closes after it": "reset",  # the exchange after it
    "two at once": "wrong body",
    "garbage after it": "wrong body",
    "garbage later": "bad status",  # before the next answer
    "closes": "reset",
    "closes midway": "reset",
    "resets midway": "reset",
    "silent": "timeout",
    "an error": "",  # of the service: a status, no failure of the exchange
    "nonsense": "bad status",
}
Outcome = tuple[int, bytes] | str


async def behave(name: str, request: Request, writer: asyncio.StreamWriter) -> None:
    """Answer as one of CONDUCT."""
    body = request.body()
    whole = response(body)
    match name:
        case "whole":
            writer.write(whole)
        case "in pieces":
            await in_pieces(writer, whole)
        case "large":
            writer.write(response(body * 10_000))
        case "chunked":
            writer.write(chunked(body))
        case "another head":
            writer.write(response(body, f"X-Number: {request.number}"))
        case "says that it closes":
            writer.write(response(body, "Connection: close"))
            writer.close()
        case "closes after it":
            writer.write(whole)
            writer.close()
        case "two at once":
            writer.write(whole + whole)
        case "garbage after it":
            writer.write(whole + b"x")
        case "garbage later":
            writer.write(whole)
            await asyncio.sleep(0.05)
            writer.write(b"x\r\n\r\n")
        case "closes":
            writer.close()
        case "closes midway":
            writer.write(whole[:-3])
            writer.close()
        case "resets midway":
            writer.write(whole[:-3])
            await asyncio.sleep(0.05)
            reset(writer)
        case "an error":
            writer.write(response(body, status="502 Bad Gateway"))
        case "nonsense":
            writer.write(b"220 mail.example\r\n\r\n")


def one_by_one(connection: Connection, requests: int) -> list[Outcome]:
    """How as many exchanges end, each on its own."""
    found: list[Outcome] = []
    for number in range(requests):
        try:
            status, body = connection.exchange(REQUEST % (b"0", number))
            found.append((status, bytes(body)))
        except RequestFailed as failure:
            found.append(failure.kind)
    return found


def in_turn(connection: Connection, requests: int) -> list[Outcome]:
    """How they end where each follows from the answer before it."""
    found: list[Outcome] = []

    def answered(status: int, body: Body) -> bytes | None:
        found.append((status, bytes(body)))
        return REQUEST % (b"0", len(found)) if len(found) < requests else None

    while len(found) < requests:
        try:
            connection.exchange_in_turn(REQUEST % (b"0", len(found)), answered)
        except RequestFailed as failure:
            found.append(failure.kind)
    return found


@pytest.mark.parametrize("transport", ["plain", "TLS"])
@pytest.mark.parametrize("name", CONDUCT)
def test_an_answer_means_the_same(
    name: str, transport: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right answers come before and after those in question: the hub reads some of them."""
    context = None
    if transport == "TLS":
        context, text = tls_of(tmp_path, "localhost", address="127.0.0.1")
        monkeypatch.setattr(Connection, "trusted", tls.trusting(text))

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        await behave(name if request.id in ("3", "4") else "whole", request, writer)

    outcomes, sent = [], []
    for exchange in (one_by_one, in_turn):
        with Server(answer, context) as server:
            connection = Connection(server.url, timeout_s=1)
            outcomes.append(exchange(connection, 8))
            assert connection.is_open()
            connection.close()
            sent.append([(request.id, request.connection) for request in server.requests])
    assert outcomes[0] == outcomes[1]
    assert sent[0] == sent[1]
    failures = [outcome for outcome in outcomes[0] if isinstance(outcome, str)]
    assert set(failures) == {CONDUCT[name]} - {""}
    for number in (0, 1, 2, 6, 7):
        assert outcomes[0][number] == (200, RIGHT % number)


def test_the_hub_reads_what_comes_as_usual() -> None:
    """From the second answer on: the first head of a kind is parsed by the greenlet."""
    hub = gevent.get_hub()
    readers = []

    def answered(status: int, body: Body) -> bytes | None:
        readers.append(gevent.getcurrent() is hub)
        return REQUEST % (b"0", 1) if len(readers) < 5 else None

    with Server(correct) as server:
        connection = Connection(server.url, timeout_s=10)
        connection.exchange(REQUEST % (b"0", 1))
        connection.exchange_in_turn(REQUEST % (b"0", 1), answered)
        connection.close()
    assert readers == [True] * 5


@pytest.mark.parametrize("known", [False, True])
def test_an_error_of_the_caller_reaches_the_caller(known: bool) -> None:
    """Whoever reads: the hub would print it, and the caller wait for ever."""

    def answered(status: int, body: Body) -> bytes | None:
        raise ZeroDivisionError

    with Server(correct) as server:
        connection = Connection(server.url, timeout_s=10)
        if known:
            connection.exchange(REQUEST % (b"0", 1))
        else:
            Connection._heads.clear()
        with pytest.raises(ZeroDivisionError), gevent.Timeout(10):
            connection.exchange_in_turn(REQUEST % (b"0", 1), answered)
        connection.close()


def test_one_that_is_killed_reads_no_more() -> None:
    """An answer that comes after it is left alone; what another exchange waits for is not."""
    answers: list[bytes] = []

    def answered(status: int, body: Body) -> bytes | None:
        answers.append(bytes(body))
        return REQUEST % (b"0.2", len(answers))

    with Server(after_delay) as server:
        connection = Connection(server.url, timeout_s=10)
        going = gevent.spawn(connection.exchange_in_turn, REQUEST % (b"0", 0), answered)
        while not answers:
            gevent.sleep(0.01)
        going.kill()
        seen = len(answers)
        gevent.sleep(0.3)
        assert len(answers) == seen
        assert not connection.is_open()  # it has an answer that nobody asked for
        connection.close()
        assert connection.exchange(REQUEST % (b"0", 9)) == (200, RIGHT % 9)
        connection.close()


def test_a_server_that_closes_between_two_exchanges_wakes_nobody() -> None:
    async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(request.body()))
        writer.close()

    with Server(hang_up) as server:
        connection = Connection(server.url, timeout_s=10)
        connection.exchange_in_turn(REQUEST % (b"0", 1), lambda status, body: None)
        while connection.established():
            gevent.sleep(0.01)
        assert not connection._readable.active
        connection.close()


def test_requests_after_pauses() -> None:
    """The hub sends each when it is told to, and reads its answer, on the same connection."""
    answers: list[bytes] = []

    def answered(status: int, body: Body) -> bytes:
        answers.append(bytes(body))
        return PAUSE

    with Server(correct) as server:
        connection = Connection(server.url, timeout_s=10)
        going = gevent.spawn(connection.exchange_in_turn, REQUEST % (b"0", 0), answered)
        for number in range(5):
            with gevent.Timeout(10):
                while len(answers) <= number:
                    gevent.sleep(0.001)
            connection.go_on(REQUEST % (b"0", number + 1))
        assert not going.ready()
        going.kill()
        connection.close()
    assert answers[:5] == [RIGHT % number for number in range(5)]
    assert server.connections == 1


@pytest.mark.parametrize("ending", ["closes", "garbage"])
def test_a_pause_ends_with_what_comes_in_it(ending: str) -> None:
    """It is no failure, as no request was sent; the next exchange finds it, as ever."""

    async def answer(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(request.body()))
        await asyncio.sleep(0.1)
        if ending == "closes":
            writer.close()
        else:
            writer.write(b"x\r\n\r\n")

    with Server(answer) as server:
        connection = Connection(server.url, timeout_s=10)
        with gevent.Timeout(10):
            connection.exchange_in_turn(REQUEST % (b"0", 0), lambda status, body: PAUSE)
        assert not connection.is_open()
        with pytest.raises(RequestFailed, match="reset" if ending == "closes" else "bad status"):
            connection.exchange(REQUEST % (b"0", 1))


def test_a_pause_after_which_nothing_can_be_sent() -> None:
    """The failure is raised once, by the exchange, and not where the request was given."""
    failures: list[str] = []
    answers: list[int] = []

    def answered(status: int, body: Body) -> bytes:
        answers.append(status)
        return PAUSE

    def exchange() -> None:
        try:
            connection.exchange_in_turn(REQUEST % (b"0", 0), answered)
        except RequestFailed as failure:
            failures.append(failure.kind)
        gevent.sleep(0.05)  # a second one would be raised here

    with Server(correct) as server:
        connection = Connection(server.url, timeout_s=10)
        going = gevent.spawn(exchange)
        with gevent.Timeout(10):
            while not answers:
                gevent.sleep(0.001)
        assert connection._socket is not None
        connection._socket.shutdown(socket.SHUT_WR)
        connection.go_on(REQUEST % (b"0", 1))
        going.get(timeout=10)
    assert failures == ["reset"]
