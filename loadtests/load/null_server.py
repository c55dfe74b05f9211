"""A server that does nothing but answer: what the generator is measured against.

    python -m loadtests.load.null_server HOST PORT

It answers `/?delay=S` with the contract's body, at once where S is 0 and else
after S seconds to within microseconds: towards the end of a wait it spins. One
loop over sockets and no HTTP beyond what the generator sends, so that it takes
less time for a request than any generator in Python does.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
from collections import deque
from time import perf_counter

SPIN_S = 0.002  # a selector's timeout is of whole milliseconds
INFO = {
    "service": "null",
    "workers": 1,
    "concurrency": 10_000,
    "slots": 10_000,
    "client_pool": 10_000,
    "backend_url": "",
    "backend_timeout_s": 10,
    "versions": {},
}

_usual = re.compile(rb"GET /\?delay=([0-9.]+) [^\n]*\n(?:[^\n]*\n)*?X-Request-ID: ([^\r]*)").match


class NullServer:
    """Listens on a socket and answers for ever; requests are not pipelined."""

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener
        self.selector = selectors.DefaultSelector()
        self.selector.register(listener, selectors.EVENT_READ)
        # When due, to whom, what: all of one delay, so the first is the next.
        self.held: deque[tuple[float, socket.socket, bytes]] = deque()

    def serve(self) -> None:
        """Answer until somebody ends the process."""
        while True:
            for key, _ in self.selector.select(self.timeout_s()):
                assert isinstance(key.fileobj, socket.socket)
                if key.fileobj is self.listener:
                    connection, _ = self.listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.selector.register(connection, selectors.EVENT_READ)
                else:
                    self.read(key.fileobj)
            while self.held and self.held[0][0] <= perf_counter():
                _, connection, answer = self.held.popleft()
                self.send(connection, answer)

    def timeout_s(self) -> float | None:
        """How long nothing but a request can happen."""
        return max(0.0, self.held[0][0] - perf_counter() - SPIN_S) if self.held else None

    def read(self, connection: socket.socket) -> None:
        """Answer the request that has come, or hold its answer."""
        arrived = perf_counter()
        try:
            request = connection.recv(4096)
        except OSError:
            request = b""
        if not request:
            self.selector.unregister(connection)
            connection.close()
            return
        asked = _usual(request)
        if asked is None:
            self.send(connection, json.dumps(INFO).encode())
            return
        delay, request_id = asked.groups()
        answer = b'{"delay":%b,"id":"%b"}' % (delay, request_id)
        if float(delay):
            self.held.append((arrived + float(delay), connection, answer))
        else:
            self.send(connection, answer)

    def send(self, connection: socket.socket, body: bytes) -> None:
        """Send an answer; who has gone gets none."""
        try:
            connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except OSError:
            return


def main() -> None:
    """Listen on the address that is given as arguments."""
    address = sys.argv[1], int(sys.argv[2])
    NullServer(socket.create_server(address, backlog=1024)).serve()


if __name__ == "__main__":
    main()
