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
import tempfile
import time
from collections import deque
from collections.abc import Awaitable
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import uvloop
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

import contract

SETTINGS = contract.settings(os.environ)
FOLDER = Path(__file__).parent
FILE = tempfile.TemporaryFile()  # noqa: SIM115  (it is open as long as the process lives)
MAX_WAITING = 256  # messages for one chat connection,
MAX_WAITING_BYTES = 1024 * 1024  # and their size
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

    def line(self, delay: str, request_id: str) -> bytes:
        """The line that comes back; raises BackendBroken or BackendSlow."""
        line = contract.line(delay, request_id)
        address = contract.line_address(SETTINGS.backend_url)
        try:
            with socket.create_connection(address, SETTINGS.backend_timeout_s) as peer:
                peer.sendall(line)
                received = b""
                while received != line and line.startswith(received):  # else it is garbled
                    more = peer.recv(len(line))
                    if not more:
                        break
                    received += more
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS.backend_url) from None
        return received


def make_file() -> None:
    for _ in range(16):
        FILE.write(contract.file_block())
    FILE.flush()


def read_file(size: int) -> bytes:
    parts, left = [], size
    while left:
        parts.append(os.pread(FILE.fileno(), left, size - left))
        left -= len(parts[-1])
    return b"".join(parts)


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

    def request_id(self) -> str:
        return contract.checked_request_id(self.request.headers.get("X-Request-ID"))

    def answer(self, body: bytes, status: int = 200, content_type: str = contract.JSON) -> None:
        self.set_status(status)
        self.set_header("Content-Type", content_type)
        self.finish(body)

    def compute_etag(self) -> None:
        return None  # a hash of every body, for clients that never ask

    def log_exception(self, kind: type, error: BaseException, *rest: object) -> None:
        if not isinstance(error, contract.Problem):
            super().log_exception(kind, error, *rest)

    def write_error(self, status_code: int, **kwargs: object) -> None:
        error = kwargs.get("exc_info", (None, None))[1]
        if isinstance(error, contract.Problem):
            self.answer(contract.error_body(error.message), error.status)
            return
        messages = {404: contract.NO_ROUTE, 405: contract.WRONG_METHOD}
        if status_code == 405:
            self.set_header("Allow", "GET, HEAD")
        self.answer(contract.error_body(messages.get(status_code, contract.INTERNAL)), status_code)


class Index(Handler):
    def get(self) -> None:
        delay = contract.delay_from(self.request.query)
        self.answer(self.settings["backend"].call(delay, self.request_id()))

    head = get


class Fanout(Handler):
    def get(self) -> None:
        calls, delay = contract.fanout_from(self.request.query)
        ids = contract.call_ids(self.request_id(), calls)
        call = self.settings["backend"].call
        answers = [call(delay, call_id) for call_id in ids]
        self.answer(contract.fanout_body(SETTINGS.backend_url, delay, answers))

    head = get


class Composite(Handler):
    def get(self) -> None:
        delay, cycles = contract.composite_from(self.request.query)
        ids = contract.call_ids(self.request_id(), contract.COMPOSITE_CALLS)
        call = self.settings["backend"].call

        def branch(branch_ids: list[str]) -> list[bytes]:
            answers = [call(delay, call_id) for call_id in branch_ids]
            contract.burn(cycles)
            return answers

        first = call(delay, ids[0])
        contract.burn(cycles)
        left, right = branch(ids[1:6]), branch(ids[6:11])
        contract.burn(cycles)
        last = call(delay, ids[11])
        contract.burn(cycles)
        answers = [first, *left, *right, last]
        self.answer(contract.composite_body(SETTINGS.backend_url, delay, cycles, answers))

    head = get


class Cpu(Handler):
    def get(self) -> None:
        cycles = contract.cycles_from(self.request.query)
        contract.burn(cycles)
        self.answer(contract.cpu_body(cycles))

    head = get


class Line(Handler):
    def get(self) -> None:
        delay = contract.delay_from(self.request.query)
        request_id = self.request_id()
        received = self.settings["backend"].line(delay, request_id)
        sent = contract.line(delay, request_id)
        self.answer(contract.line_body(SETTINGS.backend_url, sent, received))

    head = get


class File(Handler):
    def get(self) -> None:
        size = contract.size_from(self.request.query)
        self.answer(read_file(size), content_type="application/octet-stream")

    head = get


class Chat(Handler, WebSocketHandler):
    members: ClassVar[set["Chat"]] = set()

    def open(self) -> None:
        self.set_nodelay(True)
        self.stream = self.ws_connection.stream
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        Chat.members.add(self)

    def on_message(self, message: str | bytes) -> None:
        if self.ws_connection is None:
            return  # it is being closed, and hears the others no more
        if isinstance(message, bytes):
            self.close(1003, "text only")
            return
        data = message.encode()
        for member in Chat.members:
            if member is not self:
                member.tell(data)

    def on_close(self) -> None:
        Chat.members.discard(self)
        self.waiting.clear()

    def tell(self, message: bytes) -> None:
        """Send it as soon as the sockets have room; drop who does not read."""
        if self.ws_connection is None:
            return
        full = len(self.waiting) == MAX_WAITING
        if full or self.waiting_bytes + len(message) > MAX_WAITING_BYTES:
            self.waiting.clear()
            self.close(1013, "too slow")  # Tornado cuts it off after 5 s
            return
        self.waiting.append(message)
        self.waiting_bytes += len(message)
        self.send_waiting()

    def send_waiting(self, written: Awaitable[None] | None = None) -> None:
        # Tornado's own buffer has no limit: it gets the next message when it is empty.
        if written and not written.cancelled():
            written.exception()  # WebSocketClosedError: on_close() knows
        while self.waiting and not self.stream.writing():
            message = self.waiting.popleft()
            self.waiting_bytes -= len(message)
            try:
                self.write_message(message).add_done_callback(self.send_waiting)
            except WebSocketClosedError:
                self.waiting.clear()

    def head(self) -> None:
        self.set_status(426)  # there is no HEAD of a conversation
        self.finish()


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

    Else everything that waits is walked again and again. Alike in all services: here
    hardly anything waits, in tornado it is an eighth of the CPU at 1000 users.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def serve(sockets: list[socket.socket]) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    backend = Backend()
    server = HTTPServer(
        Application(
            [
                ("/", Index),
                ("/fanout", Fanout),
                ("/composite", Composite),
                ("/cpu", Cpu),
                ("/line", Line),
                ("/file", File),
                ("/chat", Chat),
                ("/health", Health),
                ("/info", Info),
            ],
            default_handler_class=NoRoute,
            backend=backend,
            # More is closed with 1009. No pings: a blocked loop sees the answers too late.
            websocket_max_message_size=contract.MAX_MESSAGE,
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
    for member in Chat.members:
        member.close(1001, contract.SHUTTING_DOWN)
    deadline = time.monotonic() + 30
    while (Handler.in_flight or Chat.members) and time.monotonic() < deadline:
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
    make_file()
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
