"""The backend over the loop's own sockets: kept connections, and the queue for them."""

import contextlib
import math
from collections import deque
from urllib.parse import urlsplit

from loop import EventLoop, Future, Socket, Waits
from web import Stale, ask, connect

import contract
from start import SETTINGS

ADDRESS = urlsplit(SETTINGS.backend_url)
DESCRIPTORS_FOR_CALLS = 32  # that clients leave


class Backend:
    """The pool of connections to the backend. It shares the descriptors there are with clients."""

    def __init__(self, loop: EventLoop) -> None:
        self.loop = loop
        self.idle: list[Socket] = []
        self.queue: deque[Future] = deque()
        self.slots = SETTINGS.concurrency  # one for each request in flight
        self.descriptors = math.inf  # that are left

    def call(self, delay: str, request_id: str) -> Waits[bytes]:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        connection = yield from self.acquire()
        try:
            if connection is not None:
                with contextlib.suppress(Stale):  # while it was idle: once more, on a new one
                    return (yield from self.exchange(connection, delay, request_id))
            connection = yield from connect(
                self.loop, ADDRESS.hostname, ADDRESS.port, SETTINGS.backend_timeout_s
            )
            return (yield from self.exchange(connection, delay, request_id))
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS) from None
        except OSError:
            raise contract.BackendBroken(SETTINGS) from None
        finally:
            self.release(connection)

    def exchange(self, connection: Socket, delay: str, request_id: str) -> Waits[bytes]:
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {ADDRESS.netloc}\r\n{identity}\r\n"
        status, body = yield from ask(connection, head.encode())
        if status != 200:
            raise contract.BackendBroken(SETTINGS)
        return body

    def acquire(self) -> Waits[Socket | None]:
        """Wait for a slot. With it comes a kept connection, or the right to open a new one."""
        if not self.queue and self.is_free():
            return self.take()
        turn = Future(self.loop)
        self.queue.append(turn)
        try:
            return (yield from turn)
        except GeneratorExit:  # the request has failed elsewhere
            if turn.is_set:
                self.release(turn.result)
            else:
                self.queue.remove(turn)
            raise

    def is_free(self) -> bool:
        return self.slots > 0 and (bool(self.idle) or self.descriptors > 0)

    def take(self) -> Socket | None:
        self.slots -= 1
        if self.idle:
            return self.idle.pop()
        self.descriptors -= 1
        return None

    def release(self, connection: Socket | None) -> None:
        """Give back the slot, and the connection where it is still open."""
        self.slots += 1
        if connection is not None and connection.fd >= 0:
            self.idle.append(connection)
        else:
            self.descriptors += 1
        self.start_next()

    def start_next(self) -> None:
        if self.queue and self.is_free():
            self.queue.popleft().set(self.take())

    def admit_client(self) -> bool:
        """True if there is a descriptor for one more client; an idle connection makes room."""
        if self.idle and self.descriptors <= DESCRIPTORS_FOR_CALLS:
            self.idle.pop(0).close()
            self.descriptors += 1
        is_admitted = self.descriptors > DESCRIPTORS_FOR_CALLS
        self.descriptors -= is_admitted
        return is_admitted

    def client_left(self) -> None:
        self.descriptors += 1
        self.start_next()
