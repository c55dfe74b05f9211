"""Tornado with a client of its own on raw sockets: a Future waits.

A Future is a result that is still to come. Whoever has to wait for a socket makes
one and returns it, and a callback that the loop calls on the socket's event sets
it: `Connection.ready`. While the backend is slow nothing else of a request runs.
"""

import asyncio
import gc
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import re
import signal
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Awaitable, Coroutine
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar
from urllib.parse import urlsplit

import uvloop
from tornado.concurrent import Future
from tornado.httpserver import HTTPServer
from tornado.ioloop import IOLoop
from tornado.netutil import Resolver, bind_sockets
from tornado.web import Application, HTTPError, RequestHandler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

import contract

SETTINGS = contract.settings(os.environ)
FOLDER = Path(__file__).parent
FILE = tempfile.TemporaryFile()  # noqa: SIM115  (it is open as long as the process lives)
MAX_WAITING = 256  # messages for one chat connection,
MAX_WAITING_BYTES = 1024 * 1024  # and their size
MAX_HEAD = 65536  # bytes before the body of an answer
PING_S = 20  # how often a chat connection is asked whether it is still there
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


class Garbled(ConnectionError):
    """What came back is no answer."""


class Stale(ConnectionError):
    """The backend closed the connection before anything came back."""


class Connection:
    """A connection to the backend: a raw socket that never blocks, and what came on it."""

    def __init__(self, family: socket.AddressFamily) -> None:
        self.socket = socket.socket(family)
        self.socket.setblocking(False)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.received = b""

    def ready(self, events: int) -> Future:
        """A Future that is done when the socket can be read, or written; or TimeoutError.

        `await` is all that a coroutine adds to it: it is resumed when the Future is done.
        """
        loop = IOLoop.current()
        future = Future()

        def on_event(*_: object) -> None:
            if not future.done():  # the loop tells of an event until it is dealt with
                future.set_result(None)

        def on_timeout() -> None:
            if not future.done():
                future.set_exception(TimeoutError())

        def on_done(_: Future) -> None:  # also where the waiting was cancelled
            loop.remove_handler(self.socket)
            loop.remove_timeout(timeout)

        loop.add_handler(self.socket, on_event, events)
        timeout = loop.call_later(SETTINGS.backend_timeout_s, on_timeout)
        future.add_done_callback(on_done)
        return future

    async def connect(self, address: tuple) -> None:
        self.socket.connect_ex(address)
        await self.ready(IOLoop.WRITE)
        error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))

    def send(self, data: bytes) -> None:
        # It is short and the connection idle: the socket takes it whole, or is broken.
        self.socket.sendall(data)

    async def receive(self) -> None:
        """Wait for more bytes and put them to those that came."""
        await self.ready(IOLoop.READ)
        data = self.socket.recv(65536)
        if not data:
            raise Garbled  # the end, in the middle of an answer
        self.received += data

    async def until(self, mark: bytes) -> bytes:
        """What comes before the next `mark`, which goes with it."""
        while mark not in self.received:
            if len(self.received) > MAX_HEAD:
                raise Garbled
            await self.receive()
        found, _, self.received = self.received.partition(mark)
        return found

    async def exactly(self, size: int) -> bytes:
        while len(self.received) < size:
            await self.receive()
        found, self.received = self.received[:size], self.received[size:]
        return found

    def is_idle(self) -> bool:
        """Whether it is open and says nothing, as a connection does that can be used again."""
        try:
            self.socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return not self.received
        except OSError:
            return False
        return False  # the end, or something nobody asked for

    def close(self) -> None:
        self.socket.close()


class Backend:
    """The way to the backend: one pool of kept-alive connections a process."""

    def __init__(self) -> None:
        # One connection for each request in flight; the rest wait in line here.
        self.slots = asyncio.Semaphore(SETTINGS.concurrency)
        self.idle: list[Connection] = []
        address = urlsplit(SETTINGS.backend_url)
        self.address = address.hostname, address.port
        self.host = address.netloc
        self.resolver = Resolver()

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        header = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        request = f"GET /delay/{delay} HTTP/1.1\r\nHost: {self.host}\r\n{header}\r\n".encode()
        try:
            async with self.slots:
                if connection := self.reusable():
                    try:
                        return await self.exchange(connection, request)
                    except Stale:
                        pass  # once more, on a new one
                return await self.exchange(await self.open(*self.address), request)
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS.backend_url) from None

    def reusable(self) -> Connection | None:
        while self.idle:
            connection = self.idle.pop()
            if connection.is_idle():
                return connection
            connection.close()
        return None

    async def open(self, host: str, port: int) -> Connection:
        failure: Exception = OSError()
        for family, address in await self.resolver.resolve(host, port):
            connection = Connection(family)
            try:
                await connection.connect(address)
                return connection
            except OSError as error:
                connection.close()
                failure = error
            except asyncio.CancelledError:
                connection.close()
                raise
        raise failure

    async def exchange(self, connection: Connection, request: bytes) -> bytes:
        """Send the request and read the answer; keep the connection if both are whole."""
        try:
            try:
                connection.send(request)
                await connection.receive()
            except ConnectionError:
                raise Stale from None
            version, headers = await self.head(connection)
            body = await self.body(connection, headers)
        except BaseException:
            connection.close()
            raise
        if version == b"HTTP/1.1" and headers.get(b"connection", b"").lower() != b"close":
            self.idle.append(connection)
        else:
            connection.close()
        return body

    async def head(self, connection: Connection) -> tuple[bytes, dict[bytes, bytes]]:
        """The version and the headers of an answer whose status is 200."""
        status_line, *lines = (await connection.until(b"\r\n\r\n")).split(b"\r\n")
        version, status, *_ = [*status_line.split(b" "), b""]
        if version not in (b"HTTP/1.1", b"HTTP/1.0") or status != b"200":
            raise Garbled
        headers = {}
        for line in lines:
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip(b" \t")
        return version, headers

    async def body(self, connection: Connection, headers: dict[bytes, bytes]) -> bytes:
        if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
            # Without a length a head that was cut short looks like a whole answer.
            return await connection.exactly(length(headers.get(b"content-length", b""), 10))
        chunks = []
        while size := length((await connection.until(b"\r\n")).partition(b";")[0].strip(), 16):
            chunks.append(await connection.exactly(size))
            if await connection.exactly(2) != b"\r\n":
                raise Garbled
        while await connection.until(b"\r\n"):
            pass  # trailers, of no interest
        return b"".join(chunks)

    async def line(self, delay: str, request_id: str) -> bytes:
        """The line that comes back; raises BackendBroken or BackendSlow."""
        try:
            async with self.slots:
                return await self.exchange_line(contract.line(delay, request_id))
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS.backend_url) from None

    async def exchange_line(self, line: bytes) -> bytes:
        connection = await self.open(*contract.line_address(SETTINGS.backend_url))
        try:
            connection.send(line)
            while connection.received != line and line.startswith(connection.received):
                await connection.receive()
            return connection.received
        finally:
            connection.close()

    def close(self) -> None:
        self.resolver.close()
        for connection in self.idle:
            connection.close()


def length(digits: bytes, base: int) -> int:
    """The length that a head or a chunk gives; or Garbled."""
    if not re.fullmatch(rb"[0-9]{1,8}" if base == 10 else rb"[0-9a-fA-F]{1,8}", digits):
        raise Garbled
    return int(digits, base)


async def together(*coroutines: Coroutine[None, None, object]) -> list:
    """All results, in order; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


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
    async def get(self) -> None:
        delay = contract.delay_from(self.request.query)
        self.answer(await self.settings["backend"].call(delay, self.request_id()))

    head = get


class Fanout(Handler):
    async def get(self) -> None:
        calls, delay = contract.fanout_from(self.request.query)
        ids = contract.call_ids(self.request_id(), calls)
        call = self.settings["backend"].call
        answers = await together(*[call(delay, call_id) for call_id in ids])
        self.answer(contract.fanout_body(SETTINGS.backend_url, delay, answers))

    head = get


class Composite(Handler):
    async def get(self) -> None:
        delay, cycles = contract.composite_from(self.request.query)
        ids = contract.call_ids(self.request_id(), contract.COMPOSITE_CALLS)
        call = self.settings["backend"].call

        async def branch(branch_ids: list[str]) -> list[bytes]:
            answers = await together(*[call(delay, call_id) for call_id in branch_ids])
            contract.burn(cycles)
            return answers

        first = await call(delay, ids[0])
        contract.burn(cycles)
        left, right = await together(branch(ids[1:6]), branch(ids[6:11]))
        contract.burn(cycles)
        last = await call(delay, ids[11])
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
    async def get(self) -> None:
        delay = contract.delay_from(self.request.query)
        request_id = self.request_id()
        received = await self.settings["backend"].line(delay, request_id)
        sent = contract.line(delay, request_id)
        self.answer(contract.line_body(SETTINGS.backend_url, sent, received))

    head = get


class File(Handler):
    async def get(self) -> None:
        size = contract.size_from(self.request.query)
        # epoll calls every file ready and the read then blocks: in a thread, it may.
        body = await asyncio.get_running_loop().run_in_executor(None, read_file, size)
        self.answer(body, content_type="application/octet-stream")

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

    Else everything that waits is walked again and again: a seventh of the CPU
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
            websocket_max_message_size=contract.MAX_MESSAGE,  # more is closed with 1009
            websocket_ping_interval=PING_S,  # who does not answer within it is gone
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
    backend.close()


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
