"""The answers to bad input, judged by services/CONTRACT.md."""

from __future__ import annotations

import re
import socket
from collections.abc import Collection
from urllib.parse import urlsplit

from loadtests.checks.bad_input import Input

HANG_S = 10.0  # without a byte, and with no end, after all was sent and sending was shut down
LOGS, HTTP_09 = "refusal log", "http-0.9"  # rules of the contract
HUNG_UP = "the handler is closed"  # of uvloop, where an answer's client is gone; uvicorn logs it
FRAME = re.compile(r'^ +File "([^"\n]*)"', re.MULTILINE)
ALLOWED_OF_SERVERS = (501, 505)  # of what reaches no handler: a coding, a version it does not know
STATUS = re.compile(rb"HTTP/1\.[01] ([0-9]{3})\b")
RAISED = re.compile(r"Traceback \(most recent call last\):\n(?:[ \t].*\n|\n)*([\w.]+)")


def exchange(url: str, given: Input) -> bytes | None:
    """All that came back until the connection's end; None where nothing came for HANG_S."""
    address = urlsplit(url)
    received = bytearray()
    with socket.create_connection((address.hostname, address.port), HANG_S) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for part in given.parts:
                connection.sendall(part)
            if given.is_dropped:
                return b""
            connection.shutdown(socket.SHUT_WR)
        except TimeoutError:
            return None
        except OSError:  # it had read enough, and closed
            pass
        try:
            while data := connection.recv(65536):
                received += data
        except TimeoutError:
            return None
        except OSError:
            pass
    return bytes(received)


def fault(received: bytes | None, logged: str, excused: Collection[str] = ()) -> str:
    """In a few words what is wrong with an answer, or with what was logged; empty if nothing.

    `excused` are rules that the service declares not to keep: LOGS, unless a line of the
    services' own raised it, and HTTP_09, whose answers have no head.
    """
    if (
        "Traceback" in logged
        and HUNG_UP not in logged
        and (LOGS not in excused or _is_ours(logged))
    ):
        raised = RAISED.findall(logged)
        return f"a traceback: {raised[-1] if raised else 'cut off'}"
    if received is None:
        return f"a hang: no end within {HANG_S:g} s"
    if received and not received.startswith(b"HTTP/1.") and HTTP_09 not in excused:
        return "an answer that is not HTTP/1"
    for status in map(int, STATUS.findall(received)):
        if status >= 500 and status not in ALLOWED_OF_SERVERS:
            return f"a {status}"
    return ""


def _is_ours(logged: str) -> bool:
    """Whether the last line of the last traceback is of a service."""
    frames = FRAME.findall(logged)
    return bool(frames) and "/services/" in frames[-1]
