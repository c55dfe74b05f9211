"""HTTP as it is sent by others than ours: targets, versions, connections, bodies."""

from __future__ import annotations

import re
import socket
import time

import pytest

from tests.contract.chat import handshake
from tests.contract.client import (
    HELD_UP_S,
    Connection,
    Headers,
    check,
    echo,
    error,
    identified,
)
from tests.contract.conftest import Service
from tests.contract.fake_backend import FakeBackend

pytestmark = pytest.mark.part("server")

OK = b'{"status":"ok"}'
NO_ROUTE = error("no such route")
WRONG_METHOD = error("method not allowed")
MIB = 1024 * 1024
LAST: list[Headers] = [
    [("Connection", "close, TE"), ("TE", "trailers")],
    [("Connection", "TE, close"), ("TE", "trailers")],
    [("Connection", "keep-alive,Close")],
    [("Connection", "TE"), ("TE", "trailers"), ("Connection", "close")],
]


@pytest.mark.rule("absolute-form")
def test_a_target_with_scheme_and_host(service: Service) -> None:
    """RFC 9112, 3.2.2: a server must accept it. `curl -x` sends it."""
    with Connection(service.url) as connection:
        check(connection.ask("http://any.test/health"), 200, OK)
        answer = connection.ask("http://any.test:81/?delay=0.01", headers=identified("a"))
        check(answer, 200, echo("0.01", "a"))
        check(connection.ask("HTTP://any.test/nope"), 404, NO_ROUTE)


@pytest.mark.rule("options-star")
def test_the_target_of_no_resource(service: Service) -> None:
    with Connection(service.url) as connection:
        check(connection.ask("*", "OPTIONS"), 404, NO_ROUTE)


@pytest.mark.rule("http-0.9")
def test_a_request_without_a_version(doubtful: Service, fake: FakeBackend) -> None:
    for request in (b"GET /?delay=0\r\n\r\n", b"GET /health\r\n\r\n", b"GET /health \r\n\r\n"):
        with Connection(doubtful.url, HELD_UP_S) as connection:
            connection.send_bytes(request)
            connection.socket.shutdown(socket.SHUT_WR)
            data = until_the_end(connection)
            assert not data or re.match(rb"HTTP/1\.[01] (4\d\d|505) ", data), data
    assert fake.calls == []


@pytest.mark.rule("http-1.0")
def test_an_old_client_that_wants_to_keep_its_connection(service: Service) -> None:
    """The answer says keep-alive, or the connection is closed: `ab -k` waits for either."""
    request = b"GET /health HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    with Connection(service.url, HELD_UP_S) as connection:
        answer = connection.send_bytes(request).receive()
        check(answer, 200, OK)
        if (answer.header("Connection") or "").lower() == "keep-alive":
            check(connection.send_bytes(request).receive(), 200, OK)
        else:
            assert connection.is_closed()


@pytest.mark.rule("close list")
def test_close_is_one_of_several_options(service: Service) -> None:
    """RFC 9112, 9.6: the connection ends after the answer."""
    for headers in LAST:
        with Connection(service.url, HELD_UP_S) as connection:
            check(connection.ask("/health", headers=headers), 200, OK)
            assert connection.is_closed(), headers


@pytest.mark.rule("half-close")
def test_a_half_closed_client_gets_its_answer(service: Service, serial: bool) -> None:
    """A client shuts down its sending half after the request, and waits for the answer."""
    if serial:
        pytest.skip("it is up to chance which comes first: the end of the data, or the block")
    for target, body in (("/health", OK), ("/?delay=0.2", echo("0.2"))):
        with Connection(service.url) as connection:
            connection.send(target).socket.shutdown(socket.SHUT_WR)
            check(connection.receive(), 200, body)


@pytest.mark.parametrize(
    "protocol", [pytest.param("websocket", marks=pytest.mark.rule("upgrade")), "h2c"]
)
def test_an_unsupported_upgrade_is_ignored(service: Service, protocol: str) -> None:
    """RFC 9110, 7.8: a server may ignore an upgrade, and every service does."""
    fields = dict(handshake("dGhlIHNhbXBsZSBub25jZQ==")) | {"Upgrade": protocol}
    headers = list(fields.items())
    with Connection(service.url) as connection:
        check(connection.ask("/health", headers=headers), 200, OK)
        check(connection.ask("/nope", headers=headers), 404, NO_ROUTE)
        answer = connection.ask("/?delay=0.01", headers=[*headers, *identified("u")])
        check(answer, 200, echo("0.01", "u"))


@pytest.mark.rule("unread body")
def test_a_body_that_nobody_reads(service: Service) -> None:
    """The answer says that it is the last one, or the connection goes on."""
    for size, late_s in ((10, 0.0), (10, 0.1), (MIB, 0.0), (MIB, 0.1)):
        for method, status, body in (("POST", 405, WRONG_METHOD), ("GET", 200, OK)):
            with Connection(service.url) as connection:
                head = f"{method} /health HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n"
                connection.send_bytes(head.encode())
                time.sleep(late_s)
                connection.send_bytes(b"x" * size)
                check(connection.receive(), status, body)
                check(connection.ask("/health"), 200, OK)  # elsewhere, where it was the last one


@pytest.mark.rule("keep-alive")
def test_two_requests_in_one_piece(service: Service) -> None:
    request = "GET /?delay=%s HTTP/1.1\r\nHost: x\r\nX-Request-ID: %s\r\n\r\n"
    with Connection(service.url) as connection:
        connection.send_bytes((request % ("0.05", "one") + request % ("0", "two")).encode())
        check(connection.receive(), 200, echo("0.05", "one"))
        check(connection.receive(), 200, echo("0", "two"))


def until_the_end(connection: Connection) -> bytes:
    """The bytes that come before the server closes the connection."""
    data = b""
    try:
        while more := connection.socket.recv(65536):
            data += more
    except ConnectionError:
        pass
    return data
