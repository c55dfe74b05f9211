"""An event loop from scratch (loop.py), HTTP on top of it (web.py): a generator waits.

While the backend is slow, the generator that asked it is stopped at a `yield`
and lies in the loop's table; the one thread goes on with all the others.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import os
import platform
import resource
import signal
import socket
import sys
import tempfile
from collections import deque
from importlib.metadata import version
from pathlib import Path
from time import monotonic
from typing import ClassVar
from urllib.parse import urlsplit

from loop import POLLERS, EventLoop, Future, Poll, Select, Socket, Waits
from web import Handler, Request, Server, Stale, ask
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

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
BACKEND = urlsplit(SETTINGS.backend_url)

DESCRIPTORS_TO_SPARE = 8  # for what opens one now and then, as looking up a name does
DESCRIPTORS_FOR_CALLS = 32  # never given to clients: so many calls at least are possible
OUTBOX_MESSAGES, OUTBOX_BYTES = 256, 1 << 20  # that wait for one member of the chat
CLOSE_S = 5.0  # for a member to leave in good order
STOPS = (signal.SIGTERM, signal.SIGINT)

loop = EventLoop()


class Backend:
    """The way to the backend: kept connections, and the line of those who wait for one."""

    def __init__(self) -> None:
        self.room: float = 0  # descriptors, for clients and calls together
        self.busy = 0  # calls, each of which has a connection or is about to open it
        self.idle: list[Socket] = []
        self.line: deque[Future] = deque()

    def call(self, delay: str, request_id: str) -> Waits[bytes]:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        connection = yield from self.enter()
        try:
            if connection is not None:
                with contextlib.suppress(Stale):  # while it was idle: once more, on a new one
                    return (yield from self.exchange(connection, delay, request_id))
            connection = yield from self.connect(BACKEND.hostname, BACKEND.port)
            return (yield from self.exchange(connection, delay, request_id))
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS.backend_url) from None
        finally:
            self.leave(connection)

    def exchange(self, connection: Socket, delay: str, request_id: str) -> Waits[bytes]:
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {BACKEND.netloc}\r\n{identity}\r\n"
        status, body = yield from ask(connection, head.encode())
        if status != 200:
            raise contract.BackendBroken(SETTINGS.backend_url)
        return body

    def call_line(self, line: bytes) -> Waits[bytes]:
        """What comes back for a line; raises BackendBroken or BackendSlow."""
        connection = yield from self.enter()
        try:
            if connection is not None:  # it speaks HTTP: not for this
                self.keep(connection)
                connection = None
            connection = yield from self.connect(*contract.line_address(SETTINGS.backend_url))
            yield from connection.write(line)
            received = b""
            while not received.endswith(b"\n") and len(received) < len(line):
                data = yield from connection.read()
                if not data:
                    break
                received += data
            return received
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS.backend_url) from None
        finally:
            if connection is not None:
                connection.close()
            self.leave(None)

    def connect(self, host: str, port: int) -> Waits[Socket]:
        """A new connection to the first of the host's addresses that takes it."""
        # The system's resolver blocks: a thread has to wait for it.
        found = yield from loop.in_thread(socket.getaddrinfo, host, port, 0, socket.SOCK_STREAM)
        error = OSError("no address")
        for family, kind, protocol, _, address in found:
            connection = Socket(
                loop, socket.socket(family, kind, protocol), SETTINGS.backend_timeout_s
            )
            try:
                yield from connection.connect(address)
            except ConnectionError as refused:
                connection.close()
                error = refused
            except BaseException:
                connection.close()
                raise
            else:
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                return connection
        raise error

    def enter(self) -> Waits[Socket | None]:
        """Wait in line for a slot. With it comes a kept connection, or room for a new one."""
        if not self.line and self.is_free():
            return self.take()
        turn = Future(loop)
        self.line.append(turn)
        try:
            return (yield from turn)
        except GeneratorExit:  # the request has failed elsewhere
            if turn.is_set:
                self.leave(turn.result)
            else:
                self.line.remove(turn)
            raise

    def leave(self, connection: Socket | None) -> None:
        """Give back the slot, and the connection where it is still open."""
        self.busy -= 1
        if connection is not None and connection.fd >= 0:
            self.keep(connection)
        self.let_in()

    def let_in(self) -> None:
        """Let the first in line have what has become free."""
        if self.line and self.is_free():
            self.line.popleft().set(self.take())

    def is_free(self) -> bool:
        # One slot for each request in flight. The second can only be missing near select's
        # 1024 descriptors, or the limit of the process.
        return self.busy < SETTINGS.concurrency and (bool(self.idle) or self.descriptors_left() > 0)

    def take(self) -> Socket | None:
        self.busy += 1
        return self.idle.pop() if self.idle else None

    def keep(self, connection: Socket) -> None:
        if self.descriptors_left() > 0:
            self.idle.append(connection)
        else:
            connection.close()

    def descriptors_left(self) -> float:
        return self.room - server.clients - self.busy - len(self.idle)

    def make_room(self) -> bool:
        """Whether there is a descriptor for one more client."""
        if self.idle and self.descriptors_left() <= 0:
            self.idle.pop(0).close()
        most = self.room - DESCRIPTORS_FOR_CALLS
        return server.clients < most and self.descriptors_left() > 0


backend = Backend()

FILE = tempfile.TemporaryFile()  # noqa: SIM115 - as long as the process
for _ in range(16):
    FILE.write(contract.file_block())
FILE.flush()


def read_file(size: int) -> bytes:
    data = b""
    while len(data) < size:
        data += os.pread(FILE.fileno(), size - len(data), len(data))
    return data


class Member:
    """A connection of the chat. Its frames are websockets' affair, to send them is ours."""

    everyone: ClassVar[set[Member]] = set()

    def __init__(self, client: Socket, protocol: ServerProtocol) -> None:
        self.client = client
        self.protocol = protocol
        self.parts: list[bytes] = []  # of a message in fragments
        self.outbox: deque[bytes] = deque()
        self.outbox_bytes = 0

    def talk(self, data: bytes) -> Waits[None]:
        """Hand on what comes, until the connection ends; `data` has come already."""
        Member.everyone.add(self)
        try:
            while True:
                self.protocol.receive_data(data)
                for frame in self.protocol.events_received():
                    self.take(frame)
                self.send_own()
                data = yield from self.client.read()
                if not data:
                    return
        finally:
            Member.everyone.discard(self)

    def take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.close(CloseCode.UNSUPPORTED_DATA)
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT) and self in Member.everyone:
            self.parts.append(bytes(frame.data))
            if frame.fin:
                self.hand_on(b"".join(self.parts))
                self.parts.clear()

    def hand_on(self, message: bytes) -> None:
        try:
            message.decode()
        except UnicodeDecodeError:
            self.close(CloseCode.INVALID_DATA)
            return
        data = Frame(Opcode.TEXT, message).serialize(mask=False)  # once for all of them
        for member in list(Member.everyone):
            if member is not self:
                member.send(data)

    def send(self, data: bytes) -> None:
        """Send now what the socket takes; the rest waits in the outbox, the sender does not."""
        if not self.outbox:
            try:
                data = data[self.client.sock.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                return  # it has ended, as `talk` is about to learn
            if not data:
                return
            loop.spawn(self.empty_outbox())
        self.outbox.append(data)
        self.outbox_bytes += len(data)
        if len(self.outbox) > OUTBOX_MESSAGES or self.outbox_bytes > OUTBOX_BYTES:
            self.close(CloseCode.TRY_AGAIN_LATER)

    def empty_outbox(self) -> Waits[None]:
        with contextlib.suppress(OSError):
            while self.outbox:
                yield from self.client.write(self.outbox[0])
                self.outbox_bytes -= len(self.outbox.popleft())
            self.half_close()

    def close(self, code: CloseCode) -> None:
        """Say goodbye, and none of what still waits."""
        if self.protocol.state is State.OPEN:
            while len(self.outbox) > 1:  # the first may have been sent in part
                self.outbox_bytes -= len(self.outbox.pop())
            self.protocol.send_close(code)
            self.send_own()

    def send_own(self) -> None:
        """Send what the protocol itself has to say, such as pongs, and goodbye."""
        for data in self.protocol.data_to_send():
            if data:  # the last one is empty
                self.send(data)
        if self.protocol.state is not State.OPEN and self in Member.everyone:
            Member.everyone.discard(self)
            loop.at(monotonic() + CLOSE_S, self.client.cut)
        self.half_close()

    def half_close(self) -> None:
        """Where the protocol has said all it had to say, end our direction."""
        if self.protocol.eof_sent and not self.outbox:
            with contextlib.suppress(OSError):
                self.client.sock.shutdown(socket.SHUT_WR)


def index(request: Request) -> Waits[bytes]:
    delay = contract.delay_from(request.query)
    return backend.call(delay, id_of(request))


def fanout(request: Request) -> Waits[bytes]:
    calls, delay = contract.fanout_from(request.query)
    ids = contract.call_ids(id_of(request), calls)
    answers = yield from loop.gather([backend.call(delay, call_id) for call_id in ids])
    return contract.fanout_body(SETTINGS.backend_url, delay, answers)


def composite(request: Request) -> Waits[bytes]:
    delay, cycles = contract.composite_from(request.query)
    ids = contract.call_ids(id_of(request), contract.COMPOSITE_CALLS)

    def branch(ids: list[str]) -> Waits[list[bytes]]:
        answers = yield from loop.gather([backend.call(delay, call_id) for call_id in ids])
        contract.burn(cycles)
        return answers

    first = yield from backend.call(delay, ids[0])
    contract.burn(cycles)
    left, right = yield from loop.gather([branch(ids[1:6]), branch(ids[6:11])])
    contract.burn(cycles)
    last = yield from backend.call(delay, ids[11])
    contract.burn(cycles)
    answers = [first, *left, *right, last]
    return contract.composite_body(SETTINGS.backend_url, delay, cycles, answers)


def cpu(request: Request) -> bytes:
    cycles = contract.cycles_from(request.query)
    contract.burn(cycles)
    return contract.cpu_body(cycles)


def line(request: Request) -> Waits[bytes]:
    sent = contract.line(contract.delay_from(request.query), id_of(request))
    received = yield from backend.call_line(sent)
    return contract.line_body(SETTINGS.backend_url, sent, received)


def file(request: Request) -> Waits[bytes]:
    # A file is always "ready", and reading it blocks all the same: a thread has to wait.
    return (yield from loop.in_thread(read_file, contract.size_from(request.query)))


def chat(request: Request) -> Waits[None]:
    if request.method != "GET" or "upgrade" not in request.headers:
        raise contract.Problem(426, "a WebSocket handshake is needed here")
    protocol = ServerProtocol(max_size=contract.MAX_MESSAGE)
    protocol.receive_data(request.head)
    (opening,) = protocol.events_received()
    protocol.send_response(protocol.accept(opening))
    with contextlib.suppress(OSError):  # a member who just vanishes
        yield from request.client.write(b"".join(protocol.data_to_send()))
        if protocol.state is State.OPEN:
            request.client.patience_s = None  # who only listens may do so for ever
            yield from Member(request.client, protocol).talk(request.rest)


def health(request: Request) -> bytes:
    return b'{"status":"ok"}'


def info(request: Request) -> bytes:
    return json.dumps(INFO).encode()


def id_of(request: Request) -> str:
    return contract.checked_request_id(request.headers.get("x-request-id"))


ROUTES: dict[str, Handler] = {
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
server = Server(loop, ROUTES, backend.make_room, backend.let_in)


def calm_gc() -> None:
    """Collect less often, and never look at what was there at the start.

    Else everything that waits is walked again and again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def stop(listener: Socket) -> Waits[None]:
    """Finish what is in flight, then let the loop end."""
    yield from loop.sleep(0.1)  # what came before the signal may still be in the sockets' buffers
    server.stopping = True
    listener.close()
    for member in list(Member.everyone):
        member.close(CloseCode.GOING_AWAY)
    deadline = monotonic() + 30
    while server.in_flight and monotonic() < deadline:
        yield from loop.sleep(0.01)
    loop.stop()


def descriptors(poller: Select | Poll) -> float:
    """How many the process may still open, and the poller can take."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(poller.most, math.inf if limit == resource.RLIM_INFINITY else limit)
    return most - len(os.listdir("/dev/fd")) - DESCRIPTORS_TO_SPARE


def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    poller = POLLERS[sys.argv[1]]()
    backend.room = descriptors(poller)
    accepting = Socket(loop, listener)
    loop.spawn(server.accept(accepting))
    for signum in STOPS:
        signal.signal(signum, lambda *_: loop.spawn(stop(accepting)))
    calm_gc()
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    loop.run(poller)
    for signum in STOPS:  # another one would kill the interpreter as it ends
        signal.signal(signum, signal.SIG_IGN)


def supervise(workers: list[int]) -> None:
    """Wait for all workers; where one is gone the service is not what it says, and ends."""

    def stop(*_: object) -> None:
        for pid in workers:
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.kill(pid, signal.SIGTERM)

    for signum in STOPS:
        signal.signal(signum, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    worst = 0
    while workers:
        pid, status = os.wait()
        workers.remove(pid)
        worst = max(worst, abs(os.waitstatus_to_exitcode(status)))
        stop()
    sys.exit(worst)


def main() -> None:
    try:
        # A backlog for as many as may connect in one instant (the default is 128).
        listener = socket.create_server((SETTINGS.host, SETTINGS.port), backlog=4096)
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until somebody can heed it
    if SETTINGS.workers == 1:
        serve(listener)
        return
    workers = []
    for _ in range(SETTINGS.workers):
        pid = os.fork()
        if pid == 0:
            serve(listener)
            return
        workers.append(pid)
    supervise(workers)


if __name__ == "__main__":
    main()
