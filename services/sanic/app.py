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
import tempfile
import time
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import httptools
import uvloop
from sanic import Request, Sanic
from sanic.exceptions import MethodNotAllowed, NotFound, SanicException
from sanic.http import Http
from sanic.response import HTTPResponse, json, raw
from sanic.server.protocols.websocket_protocol import WebSocketProtocol
from sanic.server.websockets.impl import WebsocketImplProtocol
from websockets.frames import DATA_OPCODES, Frame, Opcode
from websockets.protocol import State

import contract

SETTINGS = contract.settings(os.environ)
FOLDER = Path(__file__).parent
FILE = tempfile.TemporaryFile()  # noqa: SIM115  (it is open as long as the process lives)
NO_UPGRADE = "this route is a WebSocket"
MAX_WAITING = 256  # messages for one chat connection,
MAX_WAITING_BYTES = 1024 * 1024  # and their size
CUT_OFF_S = 5  # how long a chat connection may take to close
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


class Stale(ConnectionError):
    """The backend closed the connection before anything came back."""


class BackendConnection(asyncio.Protocol):
    """A kept-alive connection: asyncio's transport, a parser in C, and a Future to await."""

    def __init__(self, idle: dict["BackendConnection", None]) -> None:
        self.idle = idle
        self.answer: asyncio.Future[bytes] | None = None
        self.has_begun = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.parser = httptools.HttpResponseParser(self)

    async def exchange(self, head: bytes) -> bytes:
        """The body of the answer; raises Stale, another ConnectionError or TimeoutError."""
        if self.transport.is_closing():
            raise Stale
        self.answer = asyncio.get_running_loop().create_future()
        self.body = b""
        self.answers = 0
        self.has_begun = self.is_complete = self.is_kept = False
        self.transport.write(head)
        self.listen()
        try:
            body = await self.answer
        except BaseException:  # nobody waits for the rest of it
            self.transport.abort()
            raise
        finally:
            self.patience.cancel()
        if self.is_kept and not self.transport.is_closing():
            self.idle[self] = None
        else:
            self.transport.abort()
        return body

    def listen(self) -> None:
        """The silence of the backend begins, or begins anew."""
        loop = asyncio.get_running_loop()
        self.patience = loop.call_later(SETTINGS.backend_timeout_s, self.end, TimeoutError())

    def end(self, error: Exception) -> None:
        if self.answer and not self.answer.done():
            self.answer.set_exception(error)

    def data_received(self, data: bytes) -> None:
        if not self.answer or self.answer.done():  # nobody asked
            self.transport.abort()
            return
        self.has_begun = True
        try:
            self.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.end(ConnectionError())
            return
        if not self.is_complete:
            self.patience.cancel()
            self.listen()
        elif self.answers > 1 or self.parser.get_status_code() != 200:
            self.end(ConnectionError())
        else:
            self.answer.set_result(self.body)

    def on_message_begin(self) -> None:
        self.answers += 1

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.is_kept = self.parser.should_keep_alive()

    def connection_lost(self, error: Exception | None) -> None:
        self.idle.pop(self, None)
        self.end(ConnectionError() if self.has_begun else Stale())
        self.parser = None  # it and this hold each other


class Backend:
    """The way to the backend: one pool of kept-alive connections a process."""

    def __init__(self) -> None:
        self.host = SETTINGS.backend_url.removeprefix("http://")
        # One connection for each request in flight; the rest wait in line here.
        self.slots = asyncio.Semaphore(SETTINGS.concurrency)
        self.idle: dict[BackendConnection, None] = {}  # the one used last at the end

    async def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {self.host}\r\n{identity}\r\n".encode()
        try:
            async with self.slots:
                if self.idle:
                    with suppress(Stale):  # closed while it was in the pool: once more
                        return await self.idle.popitem()[0].exchange(head)
                connection = await self.connect()
                return await connection.exchange(head)
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS.backend_url) from None

    async def connect(self) -> BackendConnection:
        host, _, port = self.host.partition(":")
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(SETTINGS.backend_timeout_s):
            _, connection = await loop.create_connection(
                lambda: BackendConnection(self.idle), host, int(port)
            )
        return connection

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
        async with asyncio.timeout(SETTINGS.backend_timeout_s):
            reader, writer = await asyncio.open_connection(
                *contract.line_address(SETTINGS.backend_url)
            )
        try:
            writer.write(line)
            received = b""
            while received != line and line.startswith(received):  # else it is garbled
                async with asyncio.timeout(SETTINGS.backend_timeout_s):
                    more = await reader.read(len(line))
                if not more:
                    break
                received += more
            return received
        finally:
            writer.close()

    def close(self) -> None:
        for connection in list(self.idle):
            connection.transport.abort()


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


class Member:
    """One chat connection, and the frames that wait for it."""

    def __init__(self, ws: WebsocketImplProtocol) -> None:
        self.ws = ws
        self.transport = ws.io_proto.transport
        # What waits here is counted; what waits in the transport (64 KiB) would not be.
        self.transport.set_write_buffer_limits(high=0)
        # Sanic's recv() loses what is said right before a leave, if it is not being read.
        ws.data_received = self.data_received
        self.message = b""
        self.leaving = False
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.sending: asyncio.Task | None = None
        self.replying: asyncio.Task | None = None
        self.closing: asyncio.Task | None = None

    def data_received(self, data: bytes) -> None:
        self.ws.ws_proto.receive_data(data)
        replies = self.ws.ws_proto.data_to_send()  # pongs, the other half of a close
        events = self.ws.ws_proto.events_received()
        for frame in events:
            if frame.opcode in DATA_OPCODES and not self.leaving:
                self.hear(frame)
        control = [frame for frame in events if frame.opcode not in DATA_OPCODES]
        if replies or control:
            self.replying = asyncio.create_task(self.reply(replies, control))

    async def reply(self, replies: list[bytes], control: list[Frame]) -> None:
        self.transport.pause_reading()  # no more pings than it takes pongs
        await self.ws.async_data_received(replies, control)
        self.transport.resume_reading()

    def hear(self, frame: Frame) -> None:
        self.message += frame.data
        if frame.opcode is Opcode.BINARY:
            self.leave(1003, "text only")
        elif frame.fin:
            message, self.message = self.message, b""
            try:
                message.decode()
            except UnicodeDecodeError:
                self.leave(1007)
                return
            heard = Frame(Opcode.TEXT, message).serialize(mask=False)
            for member in app.ctx.members:
                if member is not self:
                    member.tell(heard)

    def tell(self, frame: bytes) -> None:
        """Send it as soon as the sockets have room; drop who does not read."""
        if self.leaving or self.ws.ws_proto.state is not State.OPEN:
            return
        full = len(self.waiting) == MAX_WAITING
        if not self.waiting and not self.transport.get_write_buffer_size():
            self.transport.write(frame)
        elif full or self.waiting_bytes + len(frame) > MAX_WAITING_BYTES:
            self.leave(1013, "too slow")
        else:
            self.waiting.append(frame)
            self.waiting_bytes += len(frame)
            if len(self.waiting) == 1:
                self.sending = asyncio.create_task(self.send_waiting())

    async def send_waiting(self) -> None:
        while self.waiting and self.ws.ws_proto.state is State.OPEN:
            await self.ws.io_proto.send(self.waiting[0])
            self.waiting_bytes -= len(self.waiting.popleft())

    def leave(self, code: int, reason: str = "") -> None:
        """Close the connection; cut it off if that takes too long."""
        self.leaving = True
        self.forget()
        self.closing = asyncio.create_task(self.ws.close(code, reason))
        asyncio.get_running_loop().call_later(CUT_OFF_S, self.transport.abort)

    def forget(self) -> None:
        """Send none of what waits."""
        self.waiting.clear()
        if self.sending:
            self.sending.cancel()


class ChatProtocol(WebSocketProtocol):
    async def websocket_handshake(
        self, request: Request, subprotocols: Sequence[str] | None = None
    ) -> WebsocketImplProtocol:
        try:
            ws = await super().websocket_handshake(request, subprotocols)
        except SanicException as error:
            raise contract.Problem(error.status_code, NO_UPGRADE) from None
        ws.member = Member(ws)  # in the handler it would be too late for the first words
        return ws

    def connection_lost(self, error: Exception | None) -> None:
        http, task = self.http, self._task
        super().connection_lost(error)
        if task:
            task.add_done_callback(lambda _: self.open_rings(http))

    def open_rings(self, http: Http | None) -> None:
        """Let go of what only the garbage collector would find, and it comes seldom."""
        if http:
            http.request = http.response = None
        if self.websocket is not None:
            del self.websocket.data_received, self.websocket.member
            self.websocket.assembler = self.websocket.io_proto = self.websocket = None
        self.transport = self._callback_check_timeouts = None


app = Sanic("sanic", configure_logging=False, strict_slashes=True)
app.config.ACCESS_LOG = False
app.ctx.members = set()
app.config.WEBSOCKET_MAX_SIZE = contract.MAX_MESSAGE  # more is closed with 1009
app.config.KEEP_ALIVE_TIMEOUT = 15
# Both cut off requests that are only waiting in line (the defaults are 60 s).
app.config.REQUEST_TIMEOUT = 3600
app.config.RESPONSE_TIMEOUT = 3600


def request_id_of(request: Request) -> str:
    given = request.headers.getall("X-Request-ID", None)  # Sanic leaves the space behind it
    return contract.checked_request_id(",".join(given).rstrip(" \t") if given else None)


@app.route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> HTTPResponse:
    delay = contract.delay_from(request.query_string)
    body = await app.ctx.backend.call(delay, request_id_of(request))
    return raw(body, content_type=contract.JSON)


@app.route("/fanout", methods=["GET", "HEAD"])
async def fanout(request: Request) -> HTTPResponse:
    calls, delay = contract.fanout_from(request.query_string)
    ids = contract.call_ids(request_id_of(request), calls)
    call = app.ctx.backend.call
    answers = await together(*[call(delay, call_id) for call_id in ids])
    body = contract.fanout_body(SETTINGS.backend_url, delay, answers)
    return raw(body, content_type=contract.JSON)


@app.route("/composite", methods=["GET", "HEAD"])
async def composite(request: Request) -> HTTPResponse:
    delay, cycles = contract.composite_from(request.query_string)
    ids = contract.call_ids(request_id_of(request), contract.COMPOSITE_CALLS)
    call = app.ctx.backend.call

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
    body = contract.composite_body(SETTINGS.backend_url, delay, cycles, answers)
    return raw(body, content_type=contract.JSON)


@app.route("/cpu", methods=["GET", "HEAD"])
async def cpu(request: Request) -> HTTPResponse:
    cycles = contract.cycles_from(request.query_string)
    contract.burn(cycles)
    return raw(contract.cpu_body(cycles), content_type=contract.JSON)


@app.route("/line", methods=["GET", "HEAD"])
async def line(request: Request) -> HTTPResponse:
    delay = contract.delay_from(request.query_string)
    request_id = request_id_of(request)
    received = await app.ctx.backend.line(delay, request_id)
    sent = contract.line(delay, request_id)
    body = contract.line_body(SETTINGS.backend_url, sent, received)
    return raw(body, content_type=contract.JSON)


@app.route("/file", methods=["GET", "HEAD"])
async def file(request: Request) -> HTTPResponse:
    size = contract.size_from(request.query_string)
    # epoll calls every file ready and the read then blocks: in a thread, it may.
    body = await asyncio.get_running_loop().run_in_executor(None, read_file, size)
    return raw(body, content_type="application/octet-stream")


@app.websocket("/chat")
async def chat(request: Request, ws: WebsocketImplProtocol) -> None:
    app.ctx.members.add(ws.member)
    try:
        await ws.wait_for_connection_lost()
    finally:
        app.ctx.members.discard(ws.member)
        ws.member.forget()


@app.head("/chat", name="chat_head")
async def chat_head(request: Request) -> HTTPResponse:
    raise contract.Problem(426, NO_UPGRADE)


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

    Else everything that waits is walked again and again. Alike in all services: here
    it is worth little, in tornado an eighth of the CPU at 1000 users.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


async def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    # Not app.run(): a SIGTERM while that starts, or its workers do, is lost or kills.
    server = await app.create_server(
        sock=listener,
        protocol=ChatProtocol,
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
    for member in app.ctx.members:
        member.leave(1001, contract.SHUTTING_DOWN)
    deadline = time.monotonic() + 30
    while server.connections and time.monotonic() < deadline:
        for connection in list(server.connections):
            connection.close_if_idle()
        await asyncio.sleep(0.01)
    app.ctx.backend.close()


def main() -> None:
    try:
        listener = socket.create_server((SETTINGS.host, SETTINGS.port), backlog=4096)
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until somebody can heed it
    make_file()
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
