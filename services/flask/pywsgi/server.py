"""gevent's own server: what it leaves to others, its processes, and how it ends."""

import re
import signal
import socket
from contextlib import suppress
from http.client import HTTPException

import gevent
from gevent.event import Event
from gevent.pywsgi import WSGIHandler, WSGIServer

import start

REQUEST_LINE = re.compile(r"[!-~]+ [!-~]+ HTTP/1\.[0-9]\r?\n").fullmatch
AUTHORITY = re.compile(r"https?://[^/?#]*", re.IGNORECASE)

idle: set[socket.socket] = set()  # connections that wait for their next request
stopping = Event()


class Handler(WSGIHandler):
    """Refuses what is no HTTP/1, closes when it is told to and says so."""

    def handle(self) -> None:
        with suppress(OSError):  # a client that hangs up is no traceback
            super().handle()

    def read_requestline(self) -> str:
        if stopping.is_set():
            end(self.socket)
        idle.add(self.socket)
        try:
            return super().read_requestline()
        finally:
            idle.discard(self.socket)

    def read_request(self, raw_requestline: str) -> bool:
        if not REQUEST_LINE(raw_requestline):  # gevent takes any white space, and HTTP/0.9
            raise ValueError("not a request line of HTTP/1")
        try:
            is_read = super().read_request(raw_requestline)
        except (OSError, HTTPException) as error:
            raise ValueError("the client hung up, or sent too many fields") from error
        if authority := AUTHORITY.match(self.path):  # RFC 9112 3.2.2
            self.path = "/" + self.path[authority.end() :].removeprefix("/")
        options = ",".join(self.headers.get_all("Connection", [])).lower().split(",")
        if "close" in [option.strip() for option in options]:
            self.close_connection = True
        return is_read

    def finalize_headers(self) -> None:
        super().finalize_headers()
        if stopping.is_set():
            self.close_connection = True
        if self.close_connection and self.request_version != "HTTP/1.0":  # which it says itself
            self.response_headers.append((b"Connection", b"close"))


def end(connection: socket.socket) -> None:
    """Let the server read what has arrived, and no more."""
    with suppress(OSError):  # the client was faster
        socket.socket.shutdown(connection, socket.SHUT_RD)  # that of TLS would forget its keys


def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    from app import app  # in each process its own

    # Connections inherit it. Without it a body waits until the client acknowledges the head.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    server = WSGIServer(
        listener,
        app,
        spawn=20_000,  # connections, not requests: idle ones count
        log=None,
        handler_class=Handler,
        **({"ssl_context": start.tls()} if start.CERTIFICATE else {}),
        # With more than one process: one new connection a turn, so that all get some.
        environ={"wsgi.multiprocess": start.SETTINGS.workers > 1},
    )
    server.start()
    start.heed_sigterm()
    stopping.wait()
    gevent.sleep(0.1)  # what came before the signal may still be in the backlog
    server.close()
    for connection in idle.copy():
        end(connection)
    server.stop(timeout=start.DRAIN_S)


if __name__ == "__main__":
    start.run(serve)
