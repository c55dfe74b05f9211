"""The backend by a short HTTP client on a plain socket, with a parser in C.

For threads, and for greenlets where gevent has patched the socket: `recv` is what waits.
"""

import socket
from queue import SimpleQueue
from urllib.parse import urlsplit

import httptools

import contract
from bare.answer import Answer, Stale
from start import SETTINGS


class Backend:
    """A pool of kept connections, at most one for each request in flight."""

    def __init__(self) -> None:
        address = urlsplit(SETTINGS.backend_url)
        self.address, self.authority = (address.hostname, address.port), address.netloc
        # The rest are queued here. (A queue, which is written in C: threading's semaphores
        # are Python, 7 % of a request.)
        self.slots: SimpleQueue[None] = SimpleQueue()
        for _ in range(SETTINGS.concurrency):
            self.slots.put(None)
        self.idle: list[Connection] = []  # needs no lock: append and pop are one step each

    def call(self, delay: str, request_id: str) -> bytes:
        """The body of the backend's answer; raises BackendBroken or BackendSlow."""
        identity = f"X-Request-ID: {request_id}\r\n" if request_id else ""
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: {self.authority}\r\n{identity}\r\n"
        request = head.encode()
        self.slots.get()
        try:
            try:
                connection = self.idle.pop()
            except IndexError:
                return self.connect().exchange(request)
            try:
                return connection.exchange(request)
            except Stale:  # closed while it was in the pool: once more
                return self.connect().exchange(request)
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS) from None
        except (OSError, httptools.HttpParserError, httptools.HttpParserUpgrade):
            raise contract.BackendBroken(SETTINGS) from None
        finally:
            self.slots.put(None)

    def connect(self) -> "Connection":
        """A new connection, to the first of the backend's addresses that accepts one."""
        sock = socket.create_connection(self.address, SETTINGS.backend_timeout_s)
        return Connection(sock, self.idle)


class Connection(Answer):
    """One connection, for one request at a time; back in the pool `idle` after each."""

    def __init__(self, sock: socket.socket, idle: "list[Connection]") -> None:
        self.sock = sock
        self.idle = idle
        self.parser = httptools.HttpResponseParser(self)

    def exchange(self, request: bytes) -> bytes:
        """The body of the answer; raises Stale, OSError, or the parser's own errors."""
        self.expect()
        try:
            received = self.send(request)
            if not received:
                raise Stale
            while received:
                self.parser.feed_data(received)
                received = b"" if self.is_complete else self.sock.recv(65536)
            if not self.is_good():
                raise ConnectionError
        except BaseException:  # the rest of the answer would be the next request's
            self.sock.close()
            raise
        if self.is_kept:
            self.idle.append(self)
        else:
            self.sock.close()
        return self.body

    def send(self, request: bytes) -> bytes:
        """The first bytes that come back; none where the connection is closed."""
        try:
            while request:  # (gevent's sendall asks for the buffer's size first: 3 % of a request)
                request = request[self.sock.send(request) :]
            return self.sock.recv(65536)  # here it waits
        except ConnectionError:
            return b""
