"""`/chat`: a WebSocket for each member; wsproto makes and reads the frames, here they are sent."""

import asyncio
from collections import deque
from enum import Enum, auto

import wsproto
from server import Request
from wsproto import events
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import RemoteProtocolError

import contract

MAX_QUEUED = 256  # messages for one member,
MAX_QUEUED_BYTES = 1024 * 1024  # and their size
CLOSE_S = 5  # that a close frame may take

members: set["Member"] = set()


class State(Enum):
    """What a member can still do."""

    OPEN = auto()
    CLOSING = auto()  # a close frame is on its way, nothing else is sent any more
    LOST = auto()


def chat(request: Request) -> None:
    websocket = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    try:
        if request.method == b"HEAD":
            raise RemoteProtocolError("there is no HEAD of a conversation")
        websocket.initiate_upgrade_connection(request.headers, request.path)
    except RemoteProtocolError as error:
        request.refuse(426, str(error))
        return
    member = Member(websocket, request.connection.transport)
    request.connection.upgrade(member)
    member.transport.write(websocket.send(events.AcceptConnection()))


def close() -> None:
    """Close all connections, as the service ends."""
    for member in list(members):
        member.close(CloseReason.GOING_AWAY)


class Member(asyncio.Protocol):
    """A chat connection, with the messages that its socket has no room for yet."""

    def __init__(self, websocket: wsproto.WSConnection, transport: asyncio.Transport) -> None:
        self.websocket = websocket
        self.transport = transport
        self.state = State.OPEN

        # The message that is being received
        self.parts: list[str] = []
        self.parts_bytes = 0

        # Those that are to be sent
        self.queue: deque[bytes] = deque()
        self.queue_bytes = 0
        self.can_write = True

        transport.set_write_buffer_limits(0)  # what waits does so here, where it is counted
        members.add(self)

    def data_received(self, data: bytes) -> None:
        self.websocket.receive_data(data)
        for event in self.websocket.events():
            match event:
                case events.CloseConnection():  # of the member, or because of what it sent
                    self.answer_close(event)
                    return
                case _ if self.state is not State.OPEN:
                    pass
                case events.TextMessage():
                    self.receive(event)
                case events.BytesMessage():
                    self.close(CloseReason.UNSUPPORTED_DATA)
                case events.Ping():
                    self.send(self.websocket.send(event.response()))

    def receive(self, event: events.TextMessage) -> None:
        """Pass a message on once it is complete: all others get the same bytes."""
        self.parts.append(event.data)
        self.parts_bytes += len(event.data.encode())
        if self.parts_bytes > contract.MAX_MESSAGE:
            self.close(CloseReason.MESSAGE_TOO_BIG)
        elif event.message_finished:
            message = self.websocket.send(events.TextMessage("".join(self.parts)))
            self.parts, self.parts_bytes = [], 0
            for member in members:
                if member is not self:
                    member.send(message)

    def send(self, message: bytes) -> None:
        """Send a frame as soon as the socket has room; drop a member that does not read."""
        if self.state is not State.OPEN:
            return
        if self.can_write:
            self.transport.write(message)
            return
        self.queue.append(message)
        self.queue_bytes += len(message)
        if len(self.queue) > MAX_QUEUED or self.queue_bytes > MAX_QUEUED_BYTES:
            self.close(CloseReason.TRY_AGAIN_LATER)

    def pause_writing(self) -> None:
        self.can_write = False

    def resume_writing(self) -> None:
        self.can_write = True
        while self.queue and self.can_write:
            message = self.queue.popleft()
            self.queue_bytes -= len(message)
            self.transport.write(message)

    def close(self, code: int) -> None:
        """Send a close frame and nothing else; abort where it does not get through in time."""
        if self.state is State.OPEN:
            self.state = State.CLOSING
            self.queue.clear()
            self.transport.write(self.websocket.send(events.CloseConnection(code)))
            asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)

    def answer_close(self, event: events.CloseConnection) -> None:
        if self.state is State.OPEN:
            self.state = State.CLOSING
            self.transport.write(self.websocket.send(event.response()))
        self.transport.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.state = State.LOST
        members.discard(self)
