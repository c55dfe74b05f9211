"""The asyncio client of the bare variants, against a server that misbehaves on command."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

import contract

with pytest.MonkeyPatch.context() as patch:
    patch.setenv("SERVICE", "tornado-bare")
    from bare import asyncio_client
    from bare.asyncio_client import Backend, Connection

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
Behave = Callable[["Server", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Does `behave` after each request; remembers requests and connections."""

    def __init__(self, behave: Behave) -> None:
        self.behave = behave
        self.requests: list[bytes] = []
        self.connections = self.in_flight = self.peak = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\r\n\r\n"))
                self.in_flight += 1
                self.peak = max(self.peak, self.in_flight)
                try:
                    await self.behave(self, reader, writer)
                finally:
                    self.in_flight -= 1
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def says(data: bytes, then_close: bool = False) -> Behave:
    """Send `data` to each request."""

    async def behave(server: Server, reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        if then_close:
            raise ConnectionError

    return behave


async def silent(server: Server, reader: asyncio.StreamReader, writer: object) -> None:
    """Say nothing until the caller hangs up."""
    await reader.read()
    raise ConnectionError


@contextmanager
def settings(**changes: object) -> Iterator[None]:
    """Other settings than the defaults while it is open."""
    defaults = {"host": "127.0.0.1", "port": 1, "workers": 1, "concurrency": 10}
    with pytest.MonkeyPatch.context() as patch:
        made = contract.Settings(**{**defaults, "backend_timeout_s": 5, **changes})
        patch.setattr(asyncio_client, "SETTINGS", made)
        yield


def run(
    behave: Behave, use: Callable[[Backend, Server], Awaitable[None]], **changes: object
) -> Server:
    """Let `use` call a server that does `behave`."""

    async def main() -> Server:
        server = Server(behave)
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        with settings(backend_url=f"http://127.0.0.1:{port}", **changes):
            backend = Backend()
            await use(backend, server)
            await backend.close()
        listening.close()
        await asyncio.sleep(0.01)
        return server

    return asyncio.run(main())


def test_a_connection_is_kept_and_used_again() -> None:
    async def use(backend: Backend, server: Server) -> None:
        assert await backend.call("0.1", "a.1") == b"{}"
        assert await backend.call("0.20", "") == b"{}"
        host = f"Host: 127.0.0.1:{backend.port}\r\n".encode()
        assert server.requests == [
            b"GET /delay/0.1 HTTP/1.1\r\n" + host + b"X-Request-ID: a.1\r\n\r\n",
            b"GET /delay/0.20 HTTP/1.1\r\n" + host + b"\r\n",
        ]

    assert run(says(ANSWER), use).connections == 1


def test_a_connection_that_the_answer_closes_is_not_kept() -> None:
    async def use(backend: Backend, server: Server) -> None:
        for _ in range(2):
            assert await backend.call("0", "") == b"{}"
            assert not backend.idle

    closing = ANSWER.replace(b"OK\r\n", b"OK\r\nConnection: close\r\n")
    assert run(says(closing), use).connections == 2


def test_calls_above_concurrency_wait() -> None:
    async def behave(server: Server, reader: object, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.2)
        writer.write(ANSWER)

    async def use(backend: Backend, server: Server) -> None:
        # Five rounds of 0.2 s, each of three: waiting is not bounded by the timeout.
        calls = [backend.call("0", str(number)) for number in range(15)]
        assert await asyncio.gather(*calls) == [b"{}"] * 15

    server = run(behave, use, concurrency=3, backend_timeout_s=0.8)
    assert (server.peak, server.connections) == (3, 3)


def test_a_stale_connection_is_replaced_once() -> None:
    async def behave(server: Server, reader: object, writer: asyncio.StreamWriter) -> None:
        if len(server.requests) % 2:
            writer.write(ANSWER)
        else:  # the second request of a connection finds it closed
            raise ConnectionError

    async def use(backend: Backend, server: Server) -> None:
        assert await backend.call("0", "a") == b"{}"
        assert await backend.call("0", "b") == b"{}"

    server = run(behave, use)
    assert server.connections == 2
    assert [b"ID: b" in request for request in server.requests] == [False, True, True]


def test_a_new_connection_that_is_closed_is_not_replaced() -> None:
    async def use(backend: Backend, server: Server) -> None:
        with pytest.raises(contract.BackendBroken):
            await backend.call("0", "")

    assert len(run(says(b"", then_close=True), use).requests) == 1


@pytest.mark.parametrize(
    "data",
    [
        ANSWER[:-1],
        b"nonsense",
        ANSWER.replace(b"200 OK", b"500 No"),
        ANSWER + ANSWER,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    ],
)
def test_a_broken_answer_is_not_repeated(data: bytes) -> None:
    async def behave(server: Server, reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWER if len(server.requests) == 1 else data)
        if len(server.requests) == 2:
            raise ConnectionError

    async def use(backend: Backend, server: Server) -> None:
        await backend.call("0", "")
        with pytest.raises(contract.BackendBroken):
            await backend.call("0", "")
        assert not backend.idle

    assert len(run(behave, use).requests) == 2


def test_a_chunked_answer_is_put_together() -> None:
    async def use(backend: Backend, server: Server) -> None:
        assert await backend.call("0", "") == b"{}"

    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    run(says(head + b"1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"), use)


def test_a_silent_backend_is_slow() -> None:
    async def use(backend: Backend, server: Server) -> None:
        with pytest.raises(contract.BackendSlow):
            await backend.call("0", "")

    run(silent, use, backend_timeout_s=0.05)


def test_every_byte_restarts_the_timeout() -> None:
    async def behave(server: Server, reader: object, writer: asyncio.StreamWriter) -> None:
        for index in range(0, len(ANSWER), 5):
            await asyncio.sleep(0.2)
            writer.write(ANSWER[index : index + 5])

    async def use(backend: Backend, server: Server) -> None:
        assert await backend.call("0", "") == b"{}"

    run(behave, use, backend_timeout_s=0.8)


def test_the_connection_of_a_cancelled_call_is_closed() -> None:
    async def use(backend: Backend, server: Server) -> None:
        call = asyncio.create_task(backend.call("0", ""))
        while not server.requests:
            await asyncio.sleep(0.001)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        while server.in_flight:
            await asyncio.sleep(0.001)
        assert not backend.idle

    run(silent, use)


def test_bytes_that_nobody_asked_for_close_the_connection() -> None:
    async def behave(server: Server, reader: object, writer: asyncio.StreamWriter) -> None:
        writer.write(ANSWER)
        await asyncio.sleep(0.02)
        writer.write(ANSWER)

    async def use(backend: Backend, server: Server) -> None:
        await backend.call("0", "")
        while backend.idle:
            await asyncio.sleep(0.001)
        await backend.call("0", "")

    assert run(behave, use).connections == 2


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_a_backend_that_cannot_be_reached_is_broken(host: str) -> None:
    async def main() -> None:
        with socket.socket() as bound:  # nobody listens
            bound.bind(("127.0.0.1", 0))
            url = f"http://{host}:{bound.getsockname()[1]}"
            with settings(backend_url=url), pytest.raises(contract.BackendBroken):
                await Backend().call("0", "")

    asyncio.run(main())


@pytest.mark.parametrize("behave", [says(ANSWER, then_close=True), says(b"nonsense"), silent])
def test_nothing_is_left_for_the_garbage_collector(behave: Behave) -> None:
    async def use(backend: Backend, server: Server) -> None:
        gc.collect()
        gc.disable()
        for _ in range(3):
            with suppress(contract.Problem):
                await backend.call("0", "")
        await backend.close()
        await asyncio.sleep(0.01)
        left = [each for each in gc.get_objects() if isinstance(each, Connection)]
        gc.enable()
        assert not left

    run(behave, use, backend_timeout_s=0.05)
