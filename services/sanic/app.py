"""Sanic on uvloop: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`;
the one event loop of the process goes on with all the others.
"""

import asyncio
import gc
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
from sanic.exceptions import MethodNotAllowed, NotFound
from sanic.response import HTTPResponse, json, raw

import contract
from sanic import Request, Sanic

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


app = Sanic("sanic", configure_logging=False, strict_slashes=True)
app.config.ACCESS_LOG = False
app.config.KEEP_ALIVE_TIMEOUT = 15
# Both cut off requests that are only waiting in line (the defaults are 60 s).
app.config.REQUEST_TIMEOUT = 3600
app.config.RESPONSE_TIMEOUT = 3600


@app.route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> HTTPResponse:
    delay = contract.delay_from(request.query_string)
    given = request.headers.getall("X-Request-ID", None)  # Sanic leaves the space behind it
    request_id = contract.checked_request_id(",".join(given).rstrip(" \t") if given else None)
    return raw(await app.ctx.backend.call(delay, request_id), content_type=contract.JSON)


@app.route("/health", methods=["GET", "HEAD"])
async def health(request: Request) -> HTTPResponse:
    return json({"status": "ok"})


@app.route("/info", methods=["GET", "HEAD"])
async def info(request: Request) -> HTTPResponse:
    return json(INFO)


@app.exception(contract.Problem)
async def problem(request: Request, error: contract.Problem) -> HTTPResponse:
    return raw(contract.error_body(error.message), error.status, content_type=contract.JSON)


@app.exception(NotFound)
async def no_route(request: Request, error: NotFound) -> HTTPResponse:
    return raw(contract.error_body(contract.NO_ROUTE), 404, content_type=contract.JSON)


@app.exception(MethodNotAllowed)
async def wrong_method(request: Request, error: MethodNotAllowed) -> HTTPResponse:
    body = contract.error_body(contract.WRONG_METHOD)
    return raw(body, 405, error.headers, content_type=contract.JSON)


def calm_gc() -> None:
    """Collect less often, and never look at what was there at the start.

    Else everything that waits is walked again and again: a quarter of the CPU
    at 1000 users.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    # Not app.run(): a SIGTERM while that starts, or its workers do, is lost or kills.
    server = await app.create_server(
        sock=listener,
        backlog=4096,  # as many as may connect in one instant (the default is 100)
        return_asyncio_server=True,
        asyncio_server_kwargs={"start_serving": False},
    )
    await server.startup()
    app.ctx.backend = Backend()
    await server.start_serving()
    calm_gc()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    await stop.wait()
    await asyncio.sleep(0.1)  # what came before the signal may still be in the sockets' buffers
    server.server.close()
    deadline = time.monotonic() + 30
    while server.connections and time.monotonic() < deadline:
        for connection in list(server.connections):
            connection.close_if_idle()
        await asyncio.sleep(0.01)
    await app.ctx.backend.close()


def main() -> None:
    try:
        listener = socket.create_server((SETTINGS.host, SETTINGS.port), backlog=4096)
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until somebody can heed it
    if SETTINGS.workers == 1:
        uvloop.run(serve(listener))
        return
    fork = multiprocessing.get_context("fork")
    workers = [
        fork.Process(target=lambda: uvloop.run(serve(listener))) for _ in range(SETTINGS.workers)
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
