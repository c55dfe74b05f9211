"""How to wait for a socket with nothing but a loop and a Future.

A Future is a result that is still to come. Whoever has to wait for a socket makes one
and returns it; a callback that the loop calls on the socket's event sets it: `ready`.
That is how a call became asynchronous where no library was.
"""

import os
import socket

from httptools import HttpResponseParser
from tornado.concurrent import Future
from tornado.ioloop import IOLoop

from start import SETTINGS


def ready(peer: socket.socket, events: int) -> Future:
    """A Future that is done when the socket can be read, or written; or fails by TimeoutError.

    `await` adds one thing to it: the coroutine is resumed when the Future is done.
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
        loop.remove_handler(peer)
        loop.remove_timeout(timeout)

    loop.add_handler(peer, on_event, events)
    timeout = loop.call_later(SETTINGS.backend_timeout_s, on_timeout)
    future.add_done_callback(on_done)
    return future


async def connected(family: socket.AddressFamily, address: tuple) -> socket.socket:
    """A connection to that address; raises OSError or TimeoutError."""
    peer = socket.socket(family)
    try:
        peer.setblocking(False)
        peer.connect_ex(address)
        await ready(peer, IOLoop.WRITE)
        if error := peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
    except BaseException:
        peer.close()
        raise
    return peer


async def ask(peer: socket.socket, request: bytes) -> "Answer":
    """Send a request and read the answer; raises Stale, OSError or what httptools does."""
    answer = Answer()
    try:
        peer.sendall(request)  # short: an idle socket takes it whole, or is broken
        while not answer.is_complete:
            await ready(peer, IOLoop.READ)
            data = peer.recv(65536)
            if not data:
                raise ConnectionResetError
            answer.parser.feed_data(data)
        if answer.number > 1 or answer.parser.get_status_code() != 200:
            raise OSError("no good answer")
    except ConnectionError:
        if answer.number:
            raise
        raise Stale from None
    finally:
        answer.parser = None  # a reference cycle
    return answer


class Stale(ConnectionError):
    """The backend closed the connection before anything came back."""


class Answer:
    """What httptools, a parser in C, has read so far."""

    def __init__(self) -> None:
        self.parser = HttpResponseParser(self)
        self.number = 0
        self.body = b""
        self.is_complete = False

    def on_message_begin(self) -> None:
        self.number += 1

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.is_kept = self.parser.should_keep_alive()
