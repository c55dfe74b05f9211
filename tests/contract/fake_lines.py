"""What the fake backend does with a line; some behaviours of fake_backend.py fit, too."""

from __future__ import annotations

import socket
from collections.abc import Callable

from tests.contract.fake_port import pause

LineBehaviour = Callable[[socket.socket, bytes], None]


def same(peer: socket.socket, line: bytes) -> None:
    """Send the line back at once."""
    peer.sendall(line)


def only(part: Callable[[bytes], bytes], then: LineBehaviour) -> LineBehaviour:
    """Send a part of the line, or what is made of it, then do `then`."""

    def behave(peer: socket.socket, line: bytes) -> None:
        peer.sendall(part(line))
        then(peer, line)

    return behave


def in_two(pause_s: float) -> LineBehaviour:
    """Send the line's first letter and, after a pause, the others."""

    def behave(peer: socket.socket, line: bytes) -> None:
        peer.sendall(line[:1])
        pause(peer, pause_s)
        peer.sendall(line[1:])

    return behave
