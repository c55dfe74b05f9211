"""`/chat` where a member has a thread or a greenlet, by flask-sock and simple_websocket.

simple_websocket sends from whichever thread has something to say: one that does not read
would hold up all others, and a pong could get into the middle of a message. So Member
takes the place of its socket, and one thread for each member sends what is queued there.
"""

import _thread
import signal
import socket
import threading
from collections import deque
from contextlib import suppress

from flask import Blueprint, Response, g
from flask_sock import Sock
from simple_websocket import ConnectionClosed, Server
from wsproto import ConnectionType
from wsproto.connection import Connection
from wsproto.events import CloseConnection, TextMessage
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

import contract

OPTIONS = {"max_message_size": contract.MAX_MESSAGE}
CLOSE_TIMEOUT_S = 5  # that a close frame may take to get through

blueprint = Blueprint("chat", __name__)
blueprint.record(lambda setup: setup.app.config.update(SOCK_SERVER_OPTIONS=OPTIONS))
members: set["Member"] = set()
broadcasting = threading.Lock()  # so that all get the messages in the same order
stopping = threading.Event()


class Member:
    """A chat connection, in the place of its socket: `send`, `recv` and `close` are its own.

    The request's thread sends what is queued; the one that simple_websocket reads in
    passes on what it has read before it reads more.
    """

    def __init__(self) -> None:
        self.sock: socket.socket | None = None  # before the handshake
        self.changed = threading.Condition()
        self.queue: deque[bytes] = deque()
        self.queued_bytes = 0
        self.is_closing = False  # then what is queued is still sent, and nothing more is queued
        self.timeout = threading.Timer(CLOSE_TIMEOUT_S, self.abort)

    def run(self, ws: Server) -> None:
        """Send what is queued, to the last; then wait for the other end to close."""
        self.ws, self.sock, ws.sock = ws, ws.sock, self
        self.broadcast()  # what was read before
        if not ws.connected:  # a close frame was read before, its answer may not be queued yet
            ws.thread.join()
            self.begin_close()
        try:
            while frame := self.next_frame():
                self.sock.sendall(frame)
            self.sock.shutdown(socket.SHUT_WR)
            ws.thread.join()
            while self.sock.recv(65536):  # unread bytes would turn the end into a reset
                pass
        except OSError:
            self.begin_close()
        finally:
            self.timeout.cancel()
            self.abort()
            ws.thread.join()
            self.sock.close()

    def next_frame(self) -> bytes | None:
        """Wait for the next one in the queue; None after the last."""
        with self.changed:
            self.changed.wait_for(lambda: self.queue or self.is_closing)
            frame = self.queue.popleft() if self.queue else None
            self.queued_bytes -= len(frame or b"")
            return frame

    def send(self, frame: bytes) -> None:
        """Queue a frame; drop the member if the queue is full."""
        with self.changed:
            if self.is_closing:
                return
            self.queue.append(frame)
            self.queued_bytes += len(frame)
            if len(self.queue) > contract.MAX_QUEUE or self.queued_bytes > contract.MAX_QUEUE_BYTES:
                self.queue.clear()
                self.begin_close(CloseReason.TRY_AGAIN_LATER)
            self.changed.notify()

    def recv(self, size: int) -> bytes:
        self.broadcast()
        return self.sock.recv(size)

    def close(self) -> None:
        """Called by simple_websocket last, after its close frame."""
        self.broadcast()
        self.begin_close()

    def broadcast(self) -> None:
        """Send the others what has been read."""
        with broadcasting, suppress(ConnectionClosed):
            while (message := self.ws.receive(timeout=0)) is not None:
                if isinstance(message, bytes):
                    self.begin_close(CloseReason.UNSUPPORTED_DATA)
                elif len(message.encode()) > contract.MAX_MESSAGE:  # the library counts letters
                    self.begin_close(CloseReason.MESSAGE_TOO_BIG)
                elif not self.is_closing:
                    frame = Connection(ConnectionType.SERVER).send(TextMessage(message))
                    for other in members - {self}:
                        other.send(frame)

    def begin_close(self, reason: CloseReason | None = None) -> None:
        """Queue a close frame as the last, unless simple_websocket has queued its own."""
        with self.changed:
            if self.is_closing:
                return
            self.is_closing = True
            if reason:
                self.queue.append(Connection(ConnectionType.SERVER).send(CloseConnection(reason)))
            self.changed.notify()
        self.timeout.start()

    def abort(self) -> None:
        """End the connection, whatever anybody waits for."""
        with suppress(OSError):
            if self.sock:
                self.sock.shutdown(socket.SHUT_RDWR)


@blueprint.before_request
def join() -> None:
    g.member = Member()
    members.add(g.member)  # before the handshake: whoever has seen it misses nothing
    if stopping.is_set():
        raise contract.Problem(503, contract.SHUTTING_DOWN)


@blueprint.teardown_request
def leave(error: BaseException | None) -> None:
    members.discard(g.member)


@Sock().route("/chat", blueprint)
def chat(ws: Server) -> None:
    g.member.run(ws)


@blueprint.errorhandler(RemoteProtocolError)
def bad_handshake(error: RemoteProtocolError) -> Response:
    return Response(contract.error_body(str(error)), 400, content_type=contract.JSON)


def close_all() -> None:
    """Close all members, those that join from now on included."""
    stopping.set()
    for member in members.copy():
        member.begin_close(CloseReason.GOING_AWAY)


def on_sigterm(signum: int, frame: object) -> None:
    # Not here: what the signal interrupted may hold a lock, and gevent's loop must not wait.
    _thread.start_new_thread(close_all, ())
    server_on_sigterm(signum, frame)


server_on_sigterm = signal.getsignal(signal.SIGTERM)
signal.signal(signal.SIGTERM, on_sigterm)
