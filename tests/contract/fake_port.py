"""Ports that stay their own, listening or not, with a thread for each connection."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

from loadtests.runtime.ports import free_port

Serve = Callable[[socket.socket, int], None]


class HangUp(Exception):
    """Raised by a behaviour: close the connection without another word."""


def pause(peer: socket.socket, pause_s: float) -> None:
    """Let time pass; HangUp as soon as the caller does."""
    peer.settimeout(pause_s)
    try:
        peer.recv(1)
    except TimeoutError:
        peer.settimeout(None)
        return
    raise HangUp


class Port:
    """Accepts connections while it listens; `serve` gets each, and its number from 1."""

    def __init__(self, serve: Serve, host: str = "127.0.0.1", number: int = 0) -> None:
        self._host = host
        self.number = number or free_port()
        self._serve = serve
        self._lock = threading.Lock()
        self._accepted = 0
        self._peers: set[socket.socket] = set()
        self._listener: socket.socket | None = None
        # Bound but not listening: connections are refused, and nobody else gets the port.
        self._reserved = self._bound()

    def listen(self) -> None:
        """Accept connections."""
        self._reserved.close()
        self._listener = self._bound()
        self._listener.listen(1024)
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def refuse(self) -> None:
        """Refuse connections and drop those that are open, as if the process had died."""
        if self._listener is not None:
            with contextlib.suppress(OSError):
                self._listener.shutdown(socket.SHUT_RDWR)  # wakes up accept()
            self._listener.close()
            self._listener = None
            self._reserved = self._bound()
        self.hang_up()

    def close(self) -> None:
        """Refuse, and give the port back."""
        self.refuse()
        self._reserved.close()

    def hang_up(self, abruptly: bool = False) -> None:
        """Close all open connections, with a TCP reset if asked."""
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            with contextlib.suppress(OSError):
                if abruptly:
                    # The close that answers this with a reset is that of the serving thread.
                    linger = struct.pack("ii", 1, 0)
                    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    peer.shutdown(socket.SHUT_RD)
                else:
                    peer.shutdown(socket.SHUT_RDWR)

    def open_connections(self) -> int:
        """How many connections callers hold open."""
        with self._lock:
            return len(self._peers)

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                peer, _ = listener.accept()
                peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._lock:
                    self._accepted += 1
                    self._peers.add(peer)
                arguments = (peer, self._accepted)
                threading.Thread(target=self._until_the_end, args=arguments, daemon=True).start()

    def _until_the_end(self, peer: socket.socket, number: int) -> None:
        with contextlib.suppress(OSError, HangUp):
            self._serve(peer, number)
        with self._lock:
            self._peers.discard(peer)
            peer.close()

    def _bound(self) -> socket.socket:
        bound = socket.socket(socket.AF_INET6 if ":" in self._host else socket.AF_INET)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((self._host, self.number))
        return bound
