"""How to wait for a socket with nothing but a loop and a Future.

A Future is a result that is still to come. Whoever has to wait for a socket makes one
and returns it; a callback that the loop calls on the socket's event sets it: `ready`.
That is how a call became asynchronous where no library was.
"""

import os
import socket
from contextlib import suppress

from httptools import HttpParserError, HttpParserUpgrade
from tornado.concurrent import Future
from tornado.ioloop import IOLoop

from bare import socket_client
from bare.answer import Stale
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
        with suppress(BlockingIOError):  # it has begun
            peer.connect(address)
        await ready(peer, IOLoop.WRITE)
        if error := peer.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            raise OSError(error, os.strerror(error))
    except BaseException:
        peer.close()
        raise
    return peer


class Connection(socket_client.Connection):
    """One connection, whose `recv` comes after an `await` instead of waiting itself."""

    async def exchange(self, request: bytes) -> bytes:
        """The body of the answer; raises Stale, another ConnectionError or TimeoutError."""
        self.expect()
        try:
            self.sock.sendall(request)  # short: an idle socket takes it whole, or is broken
            while not self.is_complete:
                await ready(self.sock, IOLoop.READ)
                received = self.sock.recv(65536)
                if not received:
                    raise ConnectionResetError
                self.parser.feed_data(received)
            if not self.is_good():
                raise ConnectionError
        except BaseException as error:  # the rest of the answer would be the next request's
            self.sock.close()
            if isinstance(error, (HttpParserError, HttpParserUpgrade)):
                raise ConnectionError from None
            if isinstance(error, ConnectionError) and not self.answers:
                raise Stale from None
            raise
        if self.is_kept:
            self.idle[self] = None
        else:
            self.sock.close()
        return self.body
