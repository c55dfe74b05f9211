"""A TCP connection of a gevent process on a bare socket, which gevent only watches."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import ssl
import weakref
from math import inf
from time import perf_counter
from typing import Any, ClassVar

import gevent
import gevent.monkey
import gevent.socket

from loadtests.load.address import Address, address
from loadtests.load.tls import TlsSocket

READ = 1  # libev's name for "readable"
ESTABLISHED = 1  # Linux's name for the state of a socket that both sides have open

_plain_socket: type[socket.socket] = gevent.monkey.get_original("socket", "socket")


class TcpConnection:
    """One to `http://name:port`; reads from it end when an answer takes longer than `timeout_s`.

    To `https://name:port` it speaks TLS, with a server that `trusted` vouches for.
    """

    trusted: ClassVar[ssl.SSLContext | None] = None
    _all: ClassVar[weakref.WeakSet[TcpConnection]] = weakref.WeakSet()
    _reaper: ClassVar[gevent.Greenlet | None] = None
    # Where names were reached last. To look one up for each connection takes a thread, and under
    # Docker its daemon, on whatever core that is: 15 % of the service's at 5,000 of them a second.
    _reached: ClassVar[dict[Address, tuple[int, Any]]] = {}

    def __init__(self, url: str, timeout_s: float) -> None:
        self.is_secure = url.startswith("https:")
        self.address = address(url, "https" if self.is_secure else "http")
        self.timeout_s = timeout_s
        self._deadline = inf  # of the answer that is awaited
        self._socket: socket.socket | TlsSocket | None = None
        self._wait = gevent.get_hub().wait

    def open(self) -> None:
        """Connect; OSError where that fails.

        The bare socket is taken out of gevent's, whose `recv` asks the system
        first and waits when there is nothing yet, as there never is here;
        waiting first saves a call and an exception.
        """
        plain = self._connected()
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = self._secured(plain) if self.is_secure else plain
        self._readable = gevent.get_hub().loop.io(self._socket.fileno(), READ)
        TcpConnection._all.add(self)
        if TcpConnection._reaper is None:
            TcpConnection._reaper = gevent.spawn(_end_late_exchanges)

    def _connected(self) -> socket.socket:
        """A new socket to where the name was reached before, or to what it stands for now."""
        if known := self._reached.get(self.address):
            try:
                return _connected(*known, self.timeout_s)
            except OSError:
                self._reached.pop(self.address, None)
                raise
        connection = gevent.socket.create_connection(self.address, self.timeout_s)
        self._reached[self.address] = connection.family, connection.getpeername()
        plain = _plain_socket(fileno=connection.detach())
        plain.setblocking(False)
        return plain

    def _secured(self, plain: socket.socket) -> TlsSocket:
        """TLS on that socket; OSError where the server is not trusted, or says nothing."""
        assert self.trusted, "no certificate is trusted"
        late = TimeoutError("timed out")
        try:
            secured = TlsSocket(plain, self.trusted, self.address.host)
            secured.handshake(lambda: gevent.socket.wait_read(plain.fileno(), self.timeout_s, late))
        except BaseException:
            plain.close()
            raise
        return secured

    def close(self) -> None:
        """Close it; the next exchange opens a new one."""
        if self._socket is not None:
            self._readable.close()
            self._socket.close()
            self._socket = None

    def is_open(self) -> bool:
        """Whether the server has left it open, and sent nothing that nobody asked for."""
        if self._socket is None:
            return False
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            pass
        return False

    def established(self) -> bool:
        """Whether the system says so; an exchange in progress does not notice the question.

        Only Linux can be asked.
        """
        if self._socket is None:
            return False
        return self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == ESTABLISHED


def _connected(family: int, peer: Any, timeout_s: float) -> socket.socket:
    """A socket that is connected to `peer`; OSError, of which TimeoutError is one."""
    connection = _plain_socket(family, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        error = connection.connect_ex(peer)
        if error == errno.EINPROGRESS:
            late = TimeoutError("timed out")
            gevent.socket.wait_write(connection.fileno(), timeout_s, late)
            error = connection.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if error:
            raise OSError(error, os.strerror(error))
    except BaseException:
        connection.close()
        raise
    return connection


def _end_late_exchanges() -> None:
    """Shut down the sockets whose answer is late: one timer for all, not one for each request."""
    while True:
        gevent.sleep(0.1)
        now = perf_counter()
        for connection in list(TcpConnection._all):
            if connection._deadline <= now and connection._socket is not None:
                with contextlib.suppress(OSError):  # the server was quicker
                    connection._socket.shutdown(socket.SHUT_RDWR)
