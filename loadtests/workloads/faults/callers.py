"""Callers that behave badly: they hang up, send half a request, or do not read."""

from __future__ import annotations

import socket
from contextlib import suppress
from time import perf_counter

import gevent
import gevent.socket

from loadtests.load.address import address

EVERY_S = 0.02  # from one caller that hangs up to the next
STAY_S = 0.01  # until it does
HALF_REQUESTS, NOT_READING = 40, 5
PIPELINED = 200
READS_BYTES = 4096  # the buffer of one that does not read: the least that Linux gives


class Callers:
    """Those that disturb a service at `url`, beside others that do not."""

    def __init__(self, url: str, delay: bytes) -> None:
        self.address = address(url)
        self.request = b"GET /?delay=%s HTTP/1.1\r\nHost: callers\r\n\r\n" % delay

    def disturb(self, fault: str, seconds: float) -> None:
        """Come back after so many seconds, when all of them are gone."""
        end = perf_counter() + seconds
        if fault == "hang-up":
            while perf_counter() < end:
                gevent.spawn(self._hang_up)
                gevent.sleep(EVERY_S)
            return
        if fault == "half-request":
            callers = [self._connect(self.request[:20]) for _ in range(HALF_REQUESTS)]
        else:
            whole = self.request * PIPELINED
            callers = [self._connect(whole, READS_BYTES) for _ in range(NOT_READING)]
        gevent.sleep(max(0.0, end - perf_counter()))
        for caller in callers:
            if caller:
                caller.close()

    def _hang_up(self) -> None:
        caller = self._connect(self.request)
        if caller:
            gevent.sleep(STAY_S)
            caller.close()

    def _connect(self, data: bytes, buffer_bytes: int = 0) -> socket.socket | None:
        """A caller that has sent `data`, or as much as was taken; None where none gets through."""
        caller: socket.socket = gevent.socket.socket(
            socket.AF_INET6 if ":" in self.address.host else socket.AF_INET
        )
        if buffer_bytes:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        caller.settimeout(1)
        with suppress(OSError):
            caller.connect(self.address)
            caller.sendall(data)
            return caller
        caller.close()
        return None
