"""`/chat`: a WebSocket for each member. websockets makes the frames, here they are sent."""

from __future__ import annotations

import contextlib
import socket
from collections import deque
from time import monotonic

from loop import Socket, Waits
from web import Request
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import State
from websockets.server import ServerProtocol

import contract

CLOSE_S = 5.0  # for a member to take the close frame

members: set[Member] = set()


def chat(request: Request) -> Waits[None]:
    if request.method != "GET" or "upgrade" not in request.headers:
        raise contract.Problem(426, "a WebSocket handshake is needed here")
    protocol = ServerProtocol(max_size=contract.MAX_MESSAGE)
    protocol.receive_data(request.head)
    if not (events := protocol.events_received()):  # of a head that websockets does not take
        raise contract.Problem(400, "this is no WebSocket handshake")
    protocol.send_response(protocol.accept(events[0]))
    with contextlib.suppress(OSError):  # a member that just vanishes
        yield from request.client.write(b"".join(protocol.data_to_send()))
        if protocol.state is State.OPEN:
            request.client.timeout_s = None  # one that only listens may do so for ever
            yield from Member(request.client, protocol).receive(request.rest)


def close() -> None:
    """Close all connections, as the service ends."""
    for member in list(members):
        member.close(CloseCode.GOING_AWAY)


class Member:
    """A chat connection, with the frames that its socket has no room for yet."""

    def __init__(self, client: Socket, protocol: ServerProtocol) -> None:
        self.client = client
        self.protocol = protocol
        self.parts: list[bytes] = []  # of the message that is being received
        self.queue: deque[bytes] = deque()
        self.queue_bytes = 0

    def receive(self, data: bytes) -> Waits[None]:
        """Pass on what comes, until the connection ends; `data` has come already."""
        members.add(self)
        try:
            while True:
                self.protocol.receive_data(data)
                for frame in self.protocol.events_received():
                    self.take(frame)
                self.send_control()
                data = yield from self.client.read()
        finally:
            members.discard(self)

    def take(self, frame: Frame) -> None:
        if frame.opcode is Opcode.BINARY:
            self.close(CloseCode.UNSUPPORTED_DATA)
        elif frame.opcode in (Opcode.TEXT, Opcode.CONT) and self in members:
            self.parts.append(bytes(frame.data))
            if frame.fin:
                message, self.parts = b"".join(self.parts), []
                try:
                    message.decode()
                except UnicodeDecodeError:
                    self.close(CloseCode.INVALID_DATA)
                    return
                data = Frame(Opcode.TEXT, message).serialize(mask=False)  # once for all of them
                for member in members - {self}:
                    member.send(data)

    def send(self, data: bytes) -> None:
        """Send what the socket takes now and queue the rest; drop a member that does not read."""
        if not self.queue:
            try:
                data = data[self.client.sock.send(data) :]
            except BlockingIOError:
                pass
            except OSError:
                return  # it has ended, as `receive` is about to learn
            if not data:
                return
            self.client.loop.spawn(self.empty_queue())
        self.queue.append(data)
        self.queue_bytes += len(data)
        if len(self.queue) > contract.MAX_QUEUE or self.queue_bytes > contract.MAX_QUEUE_BYTES:
            self.close(CloseCode.TRY_AGAIN_LATER)

    def empty_queue(self) -> Waits[None]:
        with contextlib.suppress(OSError):
            while self.queue:
                yield from self.client.write(self.queue[0])
                self.queue_bytes -= len(self.queue.popleft())
            self.half_close()

    def close(self, code: CloseCode) -> None:
        """Send a close frame, and nothing of what is still queued."""
        if self.protocol.state is State.OPEN:
            while len(self.queue) > 1:  # the first may have been sent in part
                self.queue_bytes -= len(self.queue.pop())
            self.protocol.send_close(code)
            self.send_control()

    def send_control(self) -> None:
        """Send the frames that the protocol makes by itself: pongs, and the close frame."""
        for data in self.protocol.data_to_send():
            if data:  # the last one is empty
                self.send(data)
        if self.protocol.state is not State.OPEN and self in members:
            members.discard(self)
            self.client.loop.at(monotonic() + CLOSE_S, self.client.cut)
        self.half_close()

    def half_close(self) -> None:
        """End our direction, where the protocol has sent all it had to."""
        if self.protocol.eof_sent and not self.queue:
            with contextlib.suppress(OSError):
                self.client.sock.shutdown(socket.SHUT_WR)
