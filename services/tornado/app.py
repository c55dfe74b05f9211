"""Tornado on uvloop: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`;
the one event loop of the process goes on with all the others.
"""

import asyncio
import gc
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import signal
import socket
import sys
import time
from importlib.metadata import version
from pathlib import Path

import aiohttp
import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler

import contract

SETTINGS = contract.settings(os.environ)
FOLDER = Path(__file__).parent
INFO = {
    "service": FOLDER.name,
    "workers": SETTINGS.workers,
    "concurrency": SETTINGS.concurrency,
    "slots": SETTINGS.workers * SETTINGS.concurrency,
    "client_pool": SETTINGS.concurrency,
    "backend_url": SETTINGS.backend_url,
    "backend_timeout_s": SETTINGS.backend_timeout_s,
    "versions": {"python": platform.python_version()}
    | {name: version(name) for name in (FOLDER / "requirements.in").read_text().split()},
}


class Stale(Exception):
    """The backend closed the connection before anything came back."""


class BackendResponse(aiohttp.ClientResponse):
    async def start(self, connection: aiohttp.connector.Connection) -> aiohttp.ClientResponse:
        # Else aiohttp asks again by itself, on a connection that may be as stale.
        try:
            return await super().start(connection)
        except aiohttp.ServerDisconnectedError as error:
            if isinstance(error.message, str):  # else it is the beginning of an answer
                raise Stale from None
            raise contract.BackendBroken(SETTINGS.backend_url) from None
        except aiohttp.ClientOSError:
            raise Stale from None


class Backend:
    """The way to the backend: one pool of kept-alive connections a process."""

    def __init__(self) -> None:
        # One connection for each request in flight; the rest wait in line here
        # and not in a connector, whose limit (100 by default) is off.
        self.slots = asyncio.Semaphore(SETTINGS.concurrency)
        self.pooled = self.open(aiohttp.TCPConnector(limit=0, keepalive_timeout=60))
        self.unpooled = self.open(aiohttp.TCPConnector(limit=0, force_close=True))

    def open(self, connector: aiohttp.TCPConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            SETTINGS.backend_url,
            connector=connector,
            # Silence of the backend counts, waiting in line does not.
            timeout=aiohttp.ClientTimeout(
                sock_connect=SETTINGS.backend_timeout_s, sock_read=SETTINGS.backend_timeout_s
            ),
            cookie_jar=aiohttp.DummyCookieJar(),  # the backend sets none: no search for any
            auto_decompress=False,
            response_class=BackendResponse,
        )

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        try:
            async with self.slots:
                try:
                    return await self.exchange(self.pooled, delay, request_id)
                except Stale:
                    return await self.exchange(self.unpooled, delay, request_id)
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except (aiohttp.ClientError, Stale):
            raise contract.BackendBroken(SETTINGS.backend_url) from None

    async def exchange(self, session: aiohttp.ClientSession, delay: str, request_id: str) -> bytes:
        headers = {"X-Request-ID": request_id} if request_id else None
        path = f"/delay/{delay}"
        async with session.get(path, headers=headers, allow_redirects=False) as response:
            if response.status != 200:
                raise contract.BackendBroken(SETTINGS.backend_url)
            return await response.read()

    async def close(self) -> None:
        await self.pooled.close()
        await self.unpooled.close()


class Handler(RequestHandler):
    """What the contract asks of every answer."""

    in_flight = 0
    stopping = False

    def prepare(self) -> None:
        Handler.in_flight += 1
        if Handler.stopping:
            self.set_header("Connection", "close")
            self.answer(contract.error_body(contract.SHUTTING_DOWN), 503)

    def on_finish(self) -> None:
        Handler.in_flight -= 1

    def answer(self, body: bytes, status: int = 200) -> None:
        self.set_status(status)
        self.set_header("Content-Type", contract.JSON)
        self.finish(body)

    def compute_etag(self) -> None:
        return None  # a hash of every body, for clients that never ask

    def write_error(self, status_code: int, **kwargs: object) -> None:
        messages = {404: contract.NO_ROUTE, 405: contract.WRONG_METHOD}
        if status_code == 405:
            self.set_header("Allow", "GET, HEAD")
        self.answer(contract.error_body(messages.get(status_code, contract.INTERNAL)), status_code)


class Index(Handler):
    async def get(self) -> None:
        try:
            delay = contract.delay_from(self.request.query)
            request_id = contract.checked_request_id(self.request.headers.get("X-Request-ID"))
            self.answer(await self.settings["backend"].call(delay, request_id))
        except contract.Problem as problem:
            self.answer(contract.error_body(problem.message), problem.status)

    head = get


class Health(Handler):
    def get(self) -> None:
        self.answer(b'{"status":"ok"}')

    head = get


class Info(Handler):
    def get(self) -> None:
        self.answer(json.dumps(INFO).encode())

    head = get


class NoRoute(Handler):
    def prepare(self) -> None:
        super().prepare()
        raise HTTPError(404)


def calm_gc() -> None:
    """Collect less often, and never look at what was there at the start.

    Else everything that waits is walked again and again: a quarter of the CPU
    at 1000 users.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def serve(sockets: list[socket.socket]) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    backend = Backend()
    server = HTTPServer(
        Application(
            [("/", Index), ("/health", Health), ("/info", Info)],
            default_handler_class=NoRoute,
            backend=backend,
            log_function=lambda handler: None,  # the access log
        )
    )
    server.add_sockets(sockets)
    calm_gc()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    await stop.wait()
    await asyncio.sleep(0.1)  # what came before the signal may still be in the sockets' buffers
    server.stop()
    Handler.stopping = True
    deadline = time.monotonic() + 30
    while Handler.in_flight and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await server.close_all_connections()
    await backend.close()


def main() -> None:
    try:
        # A backlog for as many as may connect in one instant (the default is 128).
        sockets = bind_sockets(SETTINGS.port, SETTINGS.host, backlog=4096)
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until somebody can heed it
    if SETTINGS.workers == 1:
        uvloop.run(serve(sockets))
        return
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=lambda: uvloop.run(serve(sockets))) for _ in range(SETTINGS.workers)
    ]
    for worker in workers:
        worker.start()
    running = list(workers)

    def stop(*_: object) -> None:
        while running:
            running.pop().terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    multiprocessing.connection.wait([worker.sentinel for worker in workers])
    stop()  # one is gone: without it the service is not what it says
    for worker in workers:
        worker.join()
    sys.exit(max(abs(worker.exitcode) for worker in workers))


if __name__ == "__main__":
    main()
