"""aiohttp on uvloop, files through the kernel's completion interface: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`;
the one event loop of the process goes on with all the others.
"""

import asyncio
import contextlib
import gc
import json
import logging
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
from collections.abc import Coroutine
from importlib.metadata import version
from pathlib import Path

import aiohttp
import caio
import httptools
import uvloop
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError

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
MAX_WAITING = 256  # messages for one chat connection,
MAX_WAITING_BYTES = 1024 * 1024  # and their size
CLOSE_S = 5  # how long a close frame may take

# The best there is: a container may forbid io_uring, and something stranger Linux AIO, too.
INTERFACE = caio.linux_uring_asyncio or caio.linux_aio_asyncio or caio.thread_aio_asyncio
# Not by a kernel thread that polls: it would use another core, and be nobody's CPU time.
OPTIONS = {"sqpoll": False} if INTERFACE is caio.linux_uring_asyncio else {}
FILE = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the service runs)


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
                    with contextlib.suppress(Stale):  # closed while it was in the pool: once more
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
        address = contract.line_address(SETTINGS.backend_url)
        async with asyncio.timeout(SETTINGS.backend_timeout_s):
            reader, writer = await asyncio.open_connection(*address)
        try:
            writer.write(line)
            received = b""
            while received != line and line.startswith(received):  # else it is garbled
                async with asyncio.timeout(SETTINGS.backend_timeout_s):
                    data = await reader.read(len(line))
                if not data:
                    break
                received += data
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


class Files:
    """The kernel's queue of reads: it says when each is done."""

    def open(self) -> None:
        self.queue = INTERFACE.AsyncioContext(**OPTIONS)

    async def read(self, size: int) -> bytes:
        parts, left = [], size
        while left:
            parts.append(await self.queue.read(left, FILE.fileno(), size - left))
            left -= len(parts[-1])
        return b"".join(parts)

    def close(self) -> None:
        self.queue.close()


class Member:
    """A chat connection, with the line of messages that it has not taken yet."""

    def __init__(self, websocket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.websocket = websocket
        self.transport = transport
        # What waits does so in the line, where it is counted, and not in the transport.
        transport.set_write_buffer_limits(0)
        self.waiting: deque[bytes] = deque()
        self.waiting_bytes = 0
        self.task: asyncio.Task[None] | None = None

    def tell(self, message: bytes) -> None:
        """Put a message in line; drop the member where the line is too long."""
        self.waiting.append(message)
        self.waiting_bytes += len(message)
        if len(self.waiting) > MAX_WAITING or self.waiting_bytes > MAX_WAITING_BYTES:
            self.leave()
            self.task = asyncio.create_task(self.close(aiohttp.WSCloseCode.TRY_AGAIN_LATER))
        elif not self.task:
            self.task = asyncio.create_task(self.send_waiting())

    async def send_waiting(self) -> None:
        with contextlib.suppress(ConnectionError):  # the handler, too, learns of it, and leaves
            while self.waiting:
                message = self.waiting.popleft()
                await self.websocket.send_frame(message, aiohttp.WSMsgType.TEXT)
                self.waiting_bytes -= len(message)
        self.task = None

    async def close(self, code: int) -> None:
        """Say goodbye; cut off whoever does not take it in time."""
        asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)
        await self.websocket.close(code=code)

    def leave(self) -> None:
        """Get no more messages."""
        MEMBERS.discard(self)
        self.waiting.clear()


BACKEND = Backend()
FILES = Files()
MEMBERS: set[Member] = set()


async def index(request: web.BaseRequest) -> web.Response:
    delay = contract.delay_from(request.rel_url.raw_query_string)
    return answer(await BACKEND.call(delay, request_id_of(request)))


async def fanout(request: web.BaseRequest) -> web.Response:
    calls, delay = contract.fanout_from(request.rel_url.raw_query_string)
    ids = contract.call_ids(request_id_of(request), calls)
    answers = await together(*[BACKEND.call(delay, call_id) for call_id in ids])
    return answer(contract.fanout_body(SETTINGS.backend_url, delay, answers))


async def composite(request: web.BaseRequest) -> web.Response:
    delay, cycles = contract.composite_from(request.rel_url.raw_query_string)
    ids = contract.call_ids(request_id_of(request), contract.COMPOSITE_CALLS)

    async def branch(branch_ids: list[str]) -> list[bytes]:
        answers = await together(*[BACKEND.call(delay, call_id) for call_id in branch_ids])
        contract.burn(cycles)
        return answers

    first = await BACKEND.call(delay, ids[0])
    contract.burn(cycles)
    left, right = await together(branch(ids[1:6]), branch(ids[6:11]))
    contract.burn(cycles)
    last = await BACKEND.call(delay, ids[11])
    contract.burn(cycles)
    answers = [first, *left, *right, last]
    return answer(contract.composite_body(SETTINGS.backend_url, delay, cycles, answers))


async def cpu(request: web.BaseRequest) -> web.Response:
    cycles = contract.cycles_from(request.rel_url.raw_query_string)
    contract.burn(cycles)
    return answer(contract.cpu_body(cycles))


async def line(request: web.BaseRequest) -> web.Response:
    delay = contract.delay_from(request.rel_url.raw_query_string)
    request_id = request_id_of(request)
    received = await BACKEND.line(delay, request_id)
    sent = contract.line(delay, request_id)
    return answer(contract.line_body(SETTINGS.backend_url, sent, received))


async def file(request: web.BaseRequest) -> web.Response:
    size = contract.size_from(request.rel_url.raw_query_string)
    # Not "may I read?" but "read, and tell me": no thread has to wait for it.
    data = await FILES.read(size)
    return web.Response(body=data, headers={"Content-Type": "application/octet-stream"})


async def chat(request: web.BaseRequest) -> web.WebSocketResponse:
    if request.method == "HEAD":
        raise web.HTTPUpgradeRequired  # there is no HEAD of a conversation
    websocket = web.WebSocketResponse(
        timeout=CLOSE_S,
        compress=False,  # much memory for each connection, and short messages
        max_msg_size=contract.MAX_MESSAGE + 1,  # the first size refused
        writer_limit=0,  # sending waits as soon as the socket is full
    )
    member = Member(websocket, request.transport)
    await websocket.prepare(request)
    MEMBERS.add(member)
    try:
        with contextlib.suppress(ConnectionError):  # lost while a pong or a goodbye was sent
            async for message in websocket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    data = message.data.encode()
                    for other in list(MEMBERS):
                        if other is not member:
                            other.tell(data)
                    await asyncio.sleep(0)  # the lines are sent before more comes
                elif message.type is aiohttp.WSMsgType.BINARY:
                    await member.close(aiohttp.WSCloseCode.UNSUPPORTED_DATA)
    finally:
        member.leave()
    return websocket


async def health(request: web.BaseRequest) -> web.Response:
    return answer(b'{"status":"ok"}')


async def info(request: web.BaseRequest) -> web.Response:
    return answer(json.dumps(INFO).encode())


def answer(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": contract.JSON})


def request_id_of(request: web.BaseRequest) -> str:
    given = request.headers.getall("X-Request-ID", None)
    return contract.checked_request_id(",".join(given) if given else None)


ROUTES = {
    "/": index,
    "/fanout": fanout,
    "/composite": composite,
    "/cpu": cpu,
    "/line": line,
    "/file": file,
    "/chat": chat,
    "/health": health,
    "/info": info,
}


class Requests:
    """Those in flight; a chat connection is none of them."""

    in_flight = 0
    stopping = False


async def handle(request: web.BaseRequest) -> web.StreamResponse:
    """Find the handler, and turn what it raises into an answer."""
    handler = ROUTES.get(request.rel_url.raw_path)
    if Requests.stopping:
        return last(answer(contract.error_body(contract.SHUTTING_DOWN), 503))
    if not handler:
        return answer(contract.error_body(contract.NO_ROUTE), 404)
    if request.method not in ("GET", "HEAD"):
        return wrong_method()
    Requests.in_flight += handler is not chat
    try:
        return await handler(request)
    except contract.Problem as problem:
        return answer(contract.error_body(problem.message), problem.status)
    except (web.HTTPException, ConnectionError):  # no upgrade on /chat; a client that hung up
        raise
    except Exception:
        logging.exception("%s %s", request.method, request.path)
        return answer(contract.error_body(contract.INTERNAL), 500)
    finally:
        Requests.in_flight -= handler is not chat


def wrong_method() -> web.Response:
    response = answer(contract.error_body(contract.WRONG_METHOD), 405)
    response.headers["Allow"] = "GET, HEAD"
    return response


def last(response: web.Response) -> web.Response:
    response.force_close()
    return response


class Connection(web.RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # The parser refuses methods that it has not heard of, as if they were no HTTP.
        if isinstance(exc, BadHttpMethod) and " HTTP/1." in exc.message:
            return last(wrong_method())
        if isinstance(exc, HttpProcessingError):  # the client's fault: no traceback in the log
            return last(answer(contract.error_body("malformed request"), status))
        return super().handle_error(request, status, exc, message)


class Server(web.Server):
    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)


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
    FILES.open()
    # Not an Application: its routing and its middleware take a tenth of the time.
    runner = web.ServerRunner(Server(handle, access_log=None), shutdown_timeout=CLOSE_S)
    await runner.setup()
    site = web.SockSite(runner, listener, backlog=4096)  # uvloop listens anew (the default: 128)
    await site.start()
    calm_gc()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, stop.set)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    await stop.wait()
    await asyncio.sleep(0.1)  # what came before the signal may still be in the sockets' buffers
    await site.stop()
    Requests.stopping = True
    await asyncio.gather(*[member.close(aiohttp.WSCloseCode.GOING_AWAY) for member in MEMBERS])
    deadline = time.monotonic() + 30
    while Requests.in_flight and time.monotonic() < deadline:
        await asyncio.sleep(0.01)
    await runner.cleanup()
    BACKEND.close()
    FILES.close()


def main() -> None:
    try:
        listener = socket.create_server((SETTINGS.host, SETTINGS.port), backlog=4096)
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    make_file()
    print(f"{FOLDER.name}: files are read by {INTERFACE.__name__}", file=sys.stderr)
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
