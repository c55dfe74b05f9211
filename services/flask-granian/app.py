"""Flask, where a request has a thread or a greenlet of its own.

While the backend is slow, that one waits in `recv` and all others go on. The
code is the same for both and does not show which it is: `serve` decides.
"""

import _thread
import gc
import json
import os
import platform
import signal
import socket
import sys
import tempfile
import threading
import tomllib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from queue import SimpleQueue
from urllib.parse import urlsplit

import httptools
from flask import Blueprint, Flask, Response, g, request
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from werkzeug.exceptions import HTTPException
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

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
CANNOT = tomllib.loads((FOLDER / "service.toml").read_text()).get("cannot", {})
FILE = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process

MAX_WAITING, MAX_WAITING_BYTES = 256, 1024 * 1024  # for one chat connection
CUT_OFF_S = 5

# With the default of 5 ms a thousand runnable threads spend their time taking
# the GIL from each other. Each of ours soon waits for the network and gives it
# up by itself. (Greenlets share one thread: no effect.)
sys.setswitchinterval(0.1)

# One connection for each request in flight; the rest wait in line here. (A queue, which is
# written in C: threading's semaphores are Python, 7 % of a request.)
slots: SimpleQueue[None] = SimpleQueue()
for _ in range(SETTINGS.concurrency):
    slots.put(None)
idle_connections: list["BackendConnection"] = []
# A request's calls at once. Branches wait for calls: in one pool they could take all its threads.
calls = ThreadPoolExecutor(SETTINGS.concurrency)
branches = ThreadPoolExecutor(SETTINGS.concurrency)


def call_backend(delay: str, request_id: str) -> bytes:
    """The body of the backend's answer; raises BackendBroken or BackendSlow."""
    slots.get()
    try:
        try:
            connection = idle_connections.pop()
        except IndexError:
            return BackendConnection().exchange(delay, request_id)
        try:
            return connection.exchange(delay, request_id)
        except Stale:  # while it was in the pool: once more
            return BackendConnection().exchange(delay, request_id)
    except TimeoutError:
        raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
    except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade):
        raise contract.BackendBroken(SETTINGS.backend_url) from None
    finally:
        slots.put(None)


class Stale(ConnectionError):
    """The backend closed the connection before anything came back."""


class BackendConnection:
    """A kept-alive connection: a socket, and a parser in C, which http.client has not."""

    def __init__(self) -> None:
        address = urlsplit(SETTINGS.backend_url)
        self.host = address.netloc
        self.sock = socket.create_connection(
            (address.hostname, address.port), SETTINGS.backend_timeout_s
        )
        self.parser = httptools.HttpResponseParser(self)

    def exchange(self, delay: str, request_id: str) -> bytes:
        """The answer's body; raises Stale, OSError, or what httptools makes of a garbled answer."""
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {self.host}\r\n{identity}\r\n".encode()
        self.body = b""
        self.answers = 0
        self.is_complete = self.is_kept = False
        try:
            try:
                while head:  # (gevent's sendall asks for the buffer's size first: 3 % of a request)
                    head = head[self.sock.send(head) :]
                received = self.sock.recv(65536)
            except ConnectionError:
                received = b""
            if not received:
                raise Stale
            while received:
                self.parser.feed_data(received)
                received = b"" if self.is_complete else self.sock.recv(65536)
            if not self.is_complete or self.answers > 1 or self.parser.get_status_code() != 200:
                raise ConnectionError
        except BaseException:
            self.sock.close()
            raise
        if self.is_kept:
            idle_connections.append(self)
        else:
            self.sock.close()
        return self.body

    def on_message_begin(self) -> None:
        self.answers += 1

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.is_kept = self.parser.should_keep_alive()


def call_line(sent: bytes) -> bytes:
    """The line that the backend sends back; raises BackendBroken or BackendSlow."""
    address = contract.line_address(SETTINGS.backend_url)
    slots.get()
    try:
        with socket.create_connection(address, SETTINGS.backend_timeout_s) as connection:
            connection.sendall(sent)
            with connection.makefile("rb") as lines:
                return lines.readline(len(sent) + 1)
    except TimeoutError:
        raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
    except OSError:
        raise contract.BackendBroken(SETTINGS.backend_url) from None
    finally:
        slots.put(None)


def together(pool: Executor, work: Callable, parts: list) -> list:
    """The work on each part, at once; the first one's here. An error once all others have ended."""
    others = [pool.submit(work, part) for part in parts[1:]]
    try:
        return [work(parts[0]), *(other.result() for other in others)]
    finally:
        wait([other for other in others if not other.cancel()])


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


app = Flask(__name__, static_folder=None)  # which would be a route of its own
app.url_map.merge_slashes = False  # no redirects: a path is a route or a 404
app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False


def query() -> str:
    return request.query_string.decode("latin-1")


def request_id() -> str:
    return contract.checked_request_id(request.headers.get("X-Request-ID"))


def answer(body: bytes, status: int = 200) -> Response:
    # It is bytes already: nothing to encode on the way out (3 % of a request).
    return Response(body, status, content_type=contract.JSON, direct_passthrough=True)


@app.get("/")
def index() -> Response:
    delay = contract.delay_from(query())
    return answer(call_backend(delay, request_id()))


@app.get("/fanout")
def fanout() -> Response:
    number, delay = contract.fanout_from(query())
    ids = contract.call_ids(request_id(), number)
    answers = together(calls, partial(call_backend, delay), ids)
    return answer(contract.fanout_body(SETTINGS.backend_url, delay, answers))


@app.get("/composite")
def composite() -> Response:
    delay, cycles = contract.composite_from(query())
    ids = contract.call_ids(request_id(), contract.COMPOSITE_CALLS)

    def branch(ids: list[str]) -> list[bytes]:
        answers = together(calls, partial(call_backend, delay), ids)
        contract.burn(cycles)
        return answers

    answers = [call_backend(delay, ids[0])]
    contract.burn(cycles)
    for part in together(branches, branch, [ids[1:6], ids[6:11]]):
        answers += part
    contract.burn(cycles)
    answers.append(call_backend(delay, ids[11]))
    contract.burn(cycles)
    return answer(contract.composite_body(SETTINGS.backend_url, delay, cycles, answers))


@app.get("/cpu")
def cpu() -> Response:
    cycles = contract.cycles_from(query())
    contract.burn(cycles)
    return answer(contract.cpu_body(cycles))


@app.get("/line")
def line() -> Response:
    delay = contract.delay_from(query())
    sent = contract.line(delay, request_id())
    return answer(contract.line_body(SETTINGS.backend_url, sent, call_line(sent)))


@app.get("/file")
def file() -> Response:
    size = contract.size_from(query())
    return Response(read_file(size), content_type="application/octet-stream")


class Member:
    """A chat connection, in the place of its socket.

    What is to be sent waits in line here, so nobody waits for one who reads slowly, and no
    pong gets into the middle of a message. The request's own thread writes it. The thread
    that simple_websocket reads in hands on what it has read before it reads more.
    """

    def __init__(self) -> None:
        self.sock: socket.socket | None = None  # before the handshake
        self.changed = threading.Condition()
        self.line: deque[bytes] = deque()
        self.line_bytes = 0
        self.closing = False  # nothing more comes into the line
        self.cutting = threading.Timer(CUT_OFF_S, self.cut)

    def talk(self, ws: Server) -> None:
        """Send what comes into the line, to the last; then wait for the other end to go."""
        self.ws, self.sock, ws.sock = ws, ws.sock, self
        self.hand_on()  # what was read before
        if not ws.connected:  # a goodbye was read before, its answer may not be in the line yet
            ws.thread.join()
            self.end()
        try:
            while frame := self.next():
                self.sock.sendall(frame)
            self.sock.shutdown(socket.SHUT_WR)
            ws.thread.join()
            while self.sock.recv(65536):  # left unread, it would make a reset of the end
                pass
        except OSError:
            self.end()
        finally:
            self.cutting.cancel()
            self.cut()
            ws.thread.join()
            self.sock.close()

    def next(self) -> bytes | None:
        """Wait for the next in line; None after the last."""
        with self.changed:
            self.changed.wait_for(lambda: self.line or self.closing)
            frame = self.line.popleft() if self.line else None
            self.line_bytes -= len(frame or b"")
            return frame

    def send(self, frame: bytes) -> None:
        """Put it into the line; one whose line is full is dropped."""
        with self.changed:
            if self.closing:
                return
            if len(self.line) < MAX_WAITING and self.line_bytes + len(frame) <= MAX_WAITING_BYTES:
                self.line.append(frame)
                self.line_bytes += len(frame)
                self.changed.notify()
                return
            self.line.clear()
            self.line_bytes = 0
        self.end(CloseReason.TRY_AGAIN_LATER)

    def recv(self, size: int) -> bytes:
        self.hand_on()
        return self.sock.recv(size)

    def close(self) -> None:
        """The last that simple_websocket does, after its goodbye."""
        self.hand_on()
        self.end()

    def hand_on(self) -> None:
        """Send the others what has been read."""
        with speaking, suppress(ConnectionClosed):
            while (message := self.ws.receive(timeout=0)) is not None:
                if isinstance(message, bytes):
                    self.end(CloseReason.UNSUPPORTED_DATA)
                elif len(message.encode()) > contract.MAX_MESSAGE:  # the library counts letters
                    self.end(CloseReason.MESSAGE_TOO_BIG)
                elif not self.closing:
                    frame = Connection(ConnectionType.SERVER).send(TextMessage(message))
                    for other in members - {self}:
                        other.send(frame)

    def end(self, reason: CloseReason | None = None) -> None:
        """End the line, with the reason unless simple_websocket has put one there."""
        with self.changed:
            if self.closing:
                return
            self.closing = True
            if reason:
                frame = Connection(ConnectionType.SERVER).send(CloseConnection(reason))
                self.line.append(frame)
                self.line_bytes += len(frame)
            self.changed.notify()
        self.cutting.start()

    def cut(self) -> None:
        """End the connection, whatever anybody waits for."""
        with suppress(OSError):
            if self.sock:
                self.sock.shutdown(socket.SHUT_RDWR)


def send_away() -> None:
    """Close all chat connections, those that join from now on included."""
    stopping.set()
    for member in members.copy():
        member.end(CloseReason.GOING_AWAY)


def on_sigterm(signum: int, frame: object) -> None:
    # Not here: whom the signal interrupted may hold a lock, and gevent's loop must not wait.
    _thread.start_new_thread(send_away, ())
    server_on_sigterm(signum, frame)


members: set[Member] = set()
speaking = threading.Lock()  # so that all get the messages in the same order
stopping = threading.Event()
chats = Blueprint("chats", __name__)


@chats.before_request
def join() -> None:
    g.member = Member()
    members.add(g.member)  # before the handshake: who has seen it misses nothing
    if stopping.is_set():
        raise contract.Problem(503, contract.SHUTTING_DOWN)


@chats.teardown_request
def leave(error: BaseException | None) -> None:
    members.discard(g.member)


@Sock().route("/chat", chats)
def chat(ws: Server) -> None:
    g.member.talk(ws)


def cannot() -> Response:
    raise contract.Cannot(CANNOT[request.path])


if "/chat" in CANNOT:
    app.add_url_rule("/chat", view_func=cannot)
else:
    app.config["SOCK_SERVER_OPTIONS"] = {"max_message_size": contract.MAX_MESSAGE}
    app.register_blueprint(chats)
    server_on_sigterm = signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, on_sigterm)


@app.get("/health")
def health() -> Response:
    return answer(b'{"status":"ok"}')


@app.get("/info")
def info() -> Response:
    return answer(json.dumps(INFO).encode())


@app.errorhandler(contract.Problem)
def problem(error: contract.Problem) -> Response:
    return answer(contract.error_body(error.message), error.status)


@app.errorhandler(RemoteProtocolError)
def bad_handshake(error: RemoteProtocolError) -> Response:
    return answer(contract.error_body(str(error)), 400)


@app.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    messages = {404: contract.NO_ROUTE, 405: contract.WRONG_METHOD, 500: contract.INTERNAL}
    message = messages.get(error.code, error.description)
    response = error.get_response()
    response.data = contract.error_body(message)
    response.content_type = contract.JSON
    return response


make_file()
# Collect less often, and never look at what was there at the start: else
# everything that waits is walked again and again.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 50)
