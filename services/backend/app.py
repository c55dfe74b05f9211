"""The artificial-delay backend: what waits here is an entry in a queue, one queue per delay.

One process, one uvloop, one `asyncio.Protocol` per connection, no framework: it
must never be what a comparison of its callers measures. See README.md.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import re
import resource
import signal
import socket
import sys
from collections.abc import Iterator
from functools import partial
from json import dumps

import payload
import uvloop
from connection import Connection
from delays import Delays, Lane
from door import Door
from faults import Faults
from message import Request, respond

import contract
import start

DESCRIPTORS = 8192 + 64  # 8000 held requests and some room
DRAIN_S = 30.0
SWEEP_S = 15.0

HEALTHY = b'{"status":"ok"}'
ALLOWED = {b"/health": (b"GET", b"HEAD"), b"/stats": (b"GET", b"HEAD"), b"/reset": (b"POST",)}
ALLOWED_BEFORE_S = {
    b"/delay/": (b"GET", b"HEAD"), b"/stall/": (b"POST",), b"/fault/": (b"POST",),
    b"/fault": (b"POST",),
}  # fmt: skip
SET_ANY = b"/any/"
MAX_ANY_BODY = 1 << 20
_size = re.compile(r"[0-9]{0,20}").fullmatch
_json_size = re.compile(r"0|[1-9][0-9]{0,6}").fullmatch
BAD_ANY = f"the body must be a whole number of bytes from 0 to {MAX_ANY_BODY}"


class Backend:
    """The routes, the delays, the faults and the end, shared by all connections."""

    def __init__(self, loop: asyncio.AbstractEventLoop, listener: socket.socket) -> None:
        self.loop = loop
        self.delays = Delays(loop)
        self.door = Door(listener, partial(Connection, self))
        self.connections: set[Connection] = set()
        self.draining = False
        self.drained = loop.create_future()
        # By the delay as written: its lane, and the answer up to the id for each length of id.
        self.usual: dict[bytes, tuple[Lane, list[bytes]]] = {}
        # The delays, and bytes of a body, of calls of any path and method, where it is answered.
        self.any: tuple[Iterator[str], int] | None = None
        self.faults = Faults(self)

    def learn(self, text: bytes) -> None:
        """Prepare the answers to the usual requests for a checked delay."""
        if len(self.usual) >= 1000:
            self.usual.clear()
        start = b'{"delay":%b,"id":"' % text
        heads = [
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            % (len(start) + id_length + 2)
            + start
            for id_length in range(contract.MAX_CALL_ID + 1)
        ]
        self.usual[text] = self.delays.lane(float(text)), heads

    def lane(self, text: str) -> Lane:
        """The lane for a checked delay."""
        if text.encode() not in self.usual and not self.faults.kind:
            self.learn(text.encode())
        return self.delays.lane(float(text))

    def reply(self, request: Request, asker: Connection) -> tuple[bytes, Lane | None]:
        """The answer to a request, and the lane to hold it in where it is a call."""
        answer, lane = self.reply_well(request, asker)
        if lane and self.faults.kind:
            return self.faults.spoil(asker, request, answer, lane)
        return answer, lane

    def reply_well(self, request: Request, asker: Connection) -> tuple[bytes, Lane | None]:
        """As `reply`, whatever fault there is."""
        method, path = request.method, request.path
        allowed = ALLOWED.get(path) or ALLOWED_BEFORE_S.get(path[:7])
        if path.startswith(SET_ANY) and method == b"POST":
            return self.reply_set_any(request), None
        if allowed is None and self.any:
            return self.reply_any(request, *self.any)
        if allowed is None:
            return respond(404, contract.error_body(contract.NO_ROUTE), request), None
        if method not in allowed:
            allow = "Allow: " + b", ".join(allowed).decode()
            return respond(405, contract.error_body(contract.WRONG_METHOD), request, allow), None
        if path.startswith(b"/delay/"):
            return self.reply_delay(request)
        if path.startswith(b"/stall/"):
            return self.reply_stall(request), None
        if path.startswith(b"/fault"):
            return self.reply_fault(request, asker), None
        if path == b"/stats":
            # One whose caller has hung up stays until its answer is due.
            connected = sum(not connection.is_left() for connection in self.connections)
            counted = self.delays.stats.report() | {"connections": connected}
            report = dumps(counted, separators=(",", ":"))
            return respond(200, report.encode(), request), None
        if path == b"/reset":
            self.delays.stats.reset()
            self.faults.end()
        return respond(200, HEALTHY, request), None

    def reply_delay(self, request: Request) -> tuple[bytes, Lane | None]:
        """As `reply`, for GET /delay/S and GET /delay/S/BYTES."""
        delay, slash, size = request.path[7:].decode().partition("/")
        try:
            text = contract.checked_delay(delay)
            if slash and (not _json_size(size) or int(size) > contract.MAX_JSON):
                raise contract.Problem(400, contract.BAD_JSON_SIZE)
            request_id = contract.checked_request_id(request.request_id, contract.MAX_CALL_ID)
        except contract.Problem as refusal:
            return respond(400, contract.error_body(str(refusal)), request), None
        answer = payload.filled(text, request_id, int(size or 0))
        return respond(200, answer, request), self.lane(text)

    def reply_stall(self, request: Request) -> bytes:
        """Answer POST /stall/S, and nothing else that is due until S seconds have passed."""
        try:
            text = contract.checked_delay(request.path[7:].decode())
        except contract.Problem as refusal:
            return respond(400, contract.error_body(str(refusal)), request)
        self.delays.stall(float(text))
        return respond(200, HEALTHY, request)

    def reply_fault(self, request: Request, asker: Connection) -> bytes:
        """Answer POST /fault/KIND/SHARE/S; from then on calls get that fault, for S seconds."""
        try:
            self.faults.begin(request.path[len(b"/fault/") :].decode(), asker)
        except contract.Problem as refusal:
            return respond(400, contract.error_body(str(refusal)), request)
        return respond(200, HEALTHY, request)

    def reply_set_any(self, request: Request) -> bytes:
        """Answer POST /any/S,S,… or /any/S,S,…/BYTES: from now on any other path is a call."""
        seconds, _, size = request.path[len(SET_ANY) :].decode().partition("/")
        try:
            delays = [contract.checked_delay(text) for text in seconds.split(",")]
            if not _size(size) or int(size or 0) > MAX_ANY_BODY:
                raise contract.Problem(400, BAD_ANY)
        except contract.Problem as refusal:
            return respond(400, contract.error_body(str(refusal)), request)
        self.any = itertools.cycle(delays), int(size or 0)
        return respond(200, HEALTHY, request)

    def reply_any(self, request: Request, delays: Iterator[str], size: int) -> tuple[bytes, Lane]:
        """The answer to any request: as that of GET /delay/S, filled up to `size` bytes."""
        text = next(delays)
        try:
            request_id = contract.checked_request_id(request.request_id, contract.MAX_CALL_ID)
        except contract.Problem:  # whoever calls need not know the contract
            request_id = ""
        answer = f'{{"delay":{text},"id":"{request_id}"}}'
        if (missing := size - len(answer)) > 0:
            # Where the shortest filling is too long, spaces are JSON as well.
            fill = f',"fill":"{"x" * (missing - 10)}"' if missing >= 10 else " " * missing
            answer = f"{answer[:-1]}{fill}}}"
        return respond(200, answer.encode(), request), self.lane(text)

    def sweep(self) -> None:
        """End connections that make no progress."""
        self.loop.call_later(SWEEP_S, self.sweep)
        for connection in list(self.connections):
            connection.sweep()

    def drain(self) -> None:
        """Answer what is held or about to be read, then let `drained` become true."""
        if self.draining:  # a second signal: it is urgent
            self.finish()
            return
        self.draining = True
        self.faults.end()
        self.door.close()
        for connection in list(self.connections):
            connection.drain()
        self.loop.call_later(0.1, self.close_idle)
        self.loop.call_later(DRAIN_S, self.finish)

    def close_idle(self) -> None:
        """Close connections that wait for nothing."""
        for connection in list(self.connections):
            connection.close_if_idle()
        if not self.connections:
            self.finish()

    def finish(self) -> None:
        """End now."""
        if not self.drained.done():
            self.drained.set_result(None)


def raise_descriptor_limit() -> None:
    """Let this process open all the descriptors it may; warn where they are too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        print(
            f"backend: only {hard} open files allowed, {DESCRIPTORS} are needed for 8000 held "
            "requests (see ulimit -Hn)",
            file=sys.stderr,
        )


async def serve(listener: socket.socket) -> None:
    """Answer until a signal, and then until all is answered."""
    loop = asyncio.get_running_loop()
    backend = Backend(loop, listener)
    await backend.door.open()
    loop.add_signal_handler(signal.SIGTERM, backend.drain)
    loop.add_signal_handler(signal.SIGINT, backend.finish)
    loop.call_later(SWEEP_S, backend.sweep)
    # A full collection looks at every connection and held call, and finds nothing:
    # what dies here dies by its count. So have few of them.
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    await backend.drained


def main() -> None:
    """Run the backend: one process, whatever WORKERS says."""
    raise_descriptor_limit()
    listener = start.listen()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(listener))


if __name__ == "__main__":
    main()
