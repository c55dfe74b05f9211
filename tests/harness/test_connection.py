"""Connections of the generator: established, or closed by the server."""

from __future__ import annotations

import asyncio
import time

import gevent
import gevent.socket
import pytest
from servers import Request, Server, after_delay, response

from loadtests.load.address import address
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed

REQUEST = b"GET /?delay=%s HTTP/1.1\r\nHost: test\r\nX-Request-ID: a\r\n\r\n"


def test_the_check_does_not_disturb_an_exchange() -> None:
    with Server(after_delay) as server:
        connection = Connection(server.url, timeout_s=10)
        assert not connection.established()
        connection.open()
        assert connection.established()
        exchange = gevent.spawn(connection.exchange, REQUEST % b"0.3")
        said = []
        while not exchange.ready():
            said.append(connection.established())
            gevent.sleep(0.01)
        assert exchange.get() == (200, b'{"delay":0.3,"id":"a"}')
        assert len(said) > 3 and all(said)
        connection.close()
        assert not connection.established()


def test_a_connection_closed_by_the_server_is_not_established() -> None:
    async def hang_up(request: Request, writer: asyncio.StreamWriter) -> None:
        writer.write(response(request.body()))
        writer.close()

    with Server(hang_up) as server:
        connection = Connection(server.url, timeout_s=10)
        assert connection.exchange(REQUEST % b"0")[0] == 200
        deadline = time.monotonic() + 10
        while connection.established() and time.monotonic() < deadline:
            gevent.sleep(0.01)
        assert not connection.established()
        connection.close()


def test_a_name_is_looked_up_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And again where nobody listens there any more: it may stand for another place by then."""
    with Server(after_delay) as server:
        connection = Connection(server.url.replace("127.0.0.1", "localhost"), timeout_s=10)
        connection.open()
        connection.close()
        monkeypatch.setattr(gevent.socket, "create_connection", pytest.fail)
        assert connection.exchange(REQUEST % b"0")[0] == 200
        connection.close()
        assert server.connections == 2
    with pytest.raises(RequestFailed, match="refused"):
        connection.exchange(REQUEST % b"0")
    assert connection.address not in Connection._reached


def test_the_address_of_a_url() -> None:
    """Brackets belong to the header of an IPv6 address, and not to what one connects to."""
    for url, host, port, header in (
        ("http://127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1:8080"),
        ("http://a.test/", "a.test", 80, "a.test:80"),
        ("http://[::1]:9530", "::1", 9530, "[::1]:9530"),
    ):
        found = address(url)
        assert (*found, found.header) == (host, port, header)


@pytest.mark.parametrize(
    "url",
    [
        *("", "a:80", "https://a:80", "http://", "http://a:x", "http://a:70000", "http://[::1"),
        *("http://a:1/x", "http://a:1/?x", "http://b@a:1"),
    ],
)
def test_no_address(url: str) -> None:
    with pytest.raises(ValueError, match="must look like http://name:port, not"):
        address(url)
