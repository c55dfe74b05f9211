"""Tornado with a blocking client, the mistake on purpose: the process waits.

While the backend is slow, the event loop itself sleeps in `recv`, and with it
every other request of the process: one call at a time, whatever the load.
"""

import asyncio
import gc
import http.client
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
from urllib.parse import urlsplit

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
    "slots": SETTINGS.workers,  # a blocked loop holds one request, whatever CONCURRENCY says
    "client_pool": 1,
    "backend_url": SETTINGS.backend_url,
    "backend_timeout_s": SETTINGS.backend_timeout_s,
    "versions": {"python": platform.python_version()}
    | {name: version(name) for name in (FOLDER / "requirements.in").read_text().split()},
}


class Stale(ConnectionError):
    """The backend closed the connection before anything came back."""


class BackendResponse(http.client.HTTPResponse):
    def begin(self) -> None:
        try:
            received = self.fp.peek(1)  # what it reads, begin() need not read again
        except ConnectionError:
            received = b""
        if not received:
            raise Stale
        super().begin()


class Backend:
    """The way to the backend: one kept-alive connection, for one call at a time."""

    def __init__(self) -> None:
        address = urlsplit(SETTINGS.backend_url)
        self.connection = http.client.HTTPConnection(
            address.hostname, address.port, timeout=SETTINGS.backend_timeout_s
        )
        self.connection.response_class = BackendResponse

    def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        reused = self.connection.sock is not None
        try:
            try:
                return self.exchange(delay, request_id)
            except Stale:
                if not reused:
                    raise
                return self.exchange(delay, request_id)  # once more, on a new one
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except (OSError, http.client.HTTPException):
            raise contract.BackendBroken(SETTINGS.backend_url) from None

    def exchange(self, delay: str, request_id: str) -> bytes:
        try:
            headers = {"X-Request-ID": request_id} if request_id else {}
            try:
                self.connection.request("GET", f"/delay/{delay}", headers=headers)
            except (BrokenPipeError, ConnectionResetError):
                raise Stale from None
            response = self.connection.getresponse()
            # Without a length a head that was cut short looks like a whole answer.
            if response.status != 200 or (response.length is None and not response.chunked):
                raise http.client.HTTPException
            body = response.read()
        except BaseException:
            self.connection.close()
            raise
        return body


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
    def get(self) -> None:
        try:
            delay = contract.delay_from(self.request.query)
            request_id = contract.checked_request_id(self.request.headers.get("X-Request-ID"))
            self.answer(self.settings["backend"].call(delay, request_id))
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
    backend.connection.close()


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
