"""TLS on a socket that gevent only watches: what is sealed goes through memory, nothing waits."""

from __future__ import annotations

import contextlib
import errno
import socket
import ssl
from collections.abc import Callable

RECORD = 16_384  # bytes that a record of TLS has at most


def trusting(certificate: str) -> ssl.SSLContext:
    """The client's side of TLS 1.3, for servers with this certificate, as PEM, and no others."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(cadata=certificate)
    return context


class TlsSocket:
    """TLS on a connected socket that does not block, in whose place it stands.

    No SSLSocket: gevent has put its own in the place of Python's, which waits in a greenlet.
    """

    def __init__(self, plain: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._plain = plain
        self._received, self._sealed = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._received, self._sealed, server_hostname=host)
        self._has_ended = False  # as the server said: it reads no more

    def handshake(self, wait: Callable[[], None]) -> None:
        """Agree on keys with the server of that host; OSError where it is another, or none.

        `wait` comes back when the socket can be read.
        """
        while True:
            try:
                self._tls.do_handshake()
                return
            except ssl.SSLWantReadError:
                pass
            finally:  # the last words, too, or why there are no more
                self._send_sealed()
            wait()
            with contextlib.suppress(BlockingIOError):
                data = self._plain.recv(RECORD)
                self._received.write(data) if data else self._received.write_eof()

    def send(self, data: bytes) -> int:
        """How many bytes were sent: all, or none where the socket does not take all at once."""
        if self._has_ended:
            raise BrokenPipeError(errno.EPIPE, "the server has ended TLS")
        self._tls.write(data)
        return len(data) if self._send_sealed() else 0

    def recv(self, size: int, flags: int = 0) -> bytes:
        """All that `size` sealed bytes hold; BlockingIOError where that is nothing as yet.

        There is never more that the socket could not tell of: a server may send head and body in
        a record each. With `flags` it is the socket's own answer.
        """
        sealed = b"" if self._has_ended else self._plain.recv(size, flags)
        if flags or not sealed:
            return sealed
        self._received.write(sealed)
        data = b""
        try:
            while self._received.pending and not self._has_ended:
                more = self._tls.read(RECORD)
                data += more
                if not more:  # the server's end, whose socket may stay open until it hears ours
                    self._has_ended = True
                    with contextlib.suppress(OSError):  # that ends the next wait
                        self._plain.shutdown(socket.SHUT_RD)
        except ssl.SSLWantReadError:  # a part of a record, or a ticket
            if not data:
                raise BlockingIOError(errno.EAGAIN, "no whole record") from None
        return data

    def recv_into(self, buffer: memoryview) -> int:
        """Put what `recv` gives into `buffer`, its length; OSError where that is too short."""
        data = self.recv(len(buffer) + RECORD)
        if len(data) > len(buffer):
            raise OSError(errno.EMSGSIZE, "more than was announced")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Say that this side sends no more, and close."""
        with contextlib.suppress(OSError):  # it wants to hear the same of the other side
            self._tls.unwrap()
        with contextlib.suppress(OSError):
            self._send_sealed()
        self._plain.close()

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._plain.fileno()

    def shutdown(self, how: int) -> None:
        """End the connection, without a word."""
        self._plain.shutdown(how)

    def getsockopt(self, level: int, option: int, size: int) -> bytes:
        """An option of the socket."""
        return self._plain.getsockopt(level, option, size)

    def _send_sealed(self) -> bool:
        sealed = self._sealed.read()
        return not sealed or self._plain.send(sealed) == len(sealed)
