"""What the generator says of its own connections."""

from __future__ import annotations

import asyncio
import time

import gevent
from servers import Request, Server, after_delay, response

from loadtests.load.connection import Connection

REQUEST = b"GET /?delay=%s HTTP/1.1\r\nHost: test\r\nX-Request-ID: a\r\n\r\n"


def test_an_exchange_does_not_notice_the_question() -> None:
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


def test_what_the_server_has_closed_is_not_established() -> None:
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
