"""`/chat` as a websocket route of Sanic's: a connection that waits is an object in a set.

WARNING: `Member` takes the place of one private method, `WebsocketImplProtocol.data_received`,
in each connection. Sanic makes a task there for every piece of data, for `recv()` to fetch
messages from. Three things go wrong (25.12): a message is lost when a close arrives with it
or while it is fetched; text that is not UTF-8, or a lost connection, ends in a traceback of
such a task (github.com/sanic-org/sanic/issues/3175, also 2564); and the pongs for a member
that does not read pile up without a limit. All else is Sanic's: handshake, pings, closing.
"""

import asyncio
from collections import deque

from sanic import HTTPResponse, Request, Sanic, Websocket
from sanic.exceptions import SanicException
from websockets.frames import DATA_OPCODES, Frame, Opcode

import contract

MAX_QUEUED = 256  # messages for one member,
MAX_QUEUED_BYTES = 1024 * 1024  # and their size
CLOSE_S = 5  # that a member may take to close

members: set["Member"] = set()


def add_to(app: Sanic) -> None:
    app.config.WEBSOCKET_MAX_SIZE = contract.MAX_MESSAGE  # Sanic closes with 1009 above it
    app.add_websocket_route(chat, "/chat")
    app.add_route(head, "/chat", methods=["HEAD"])
    # Not in `chat`: the first message may come before it is called.
    app.add_signal(join, "websocket.handler.before")
    app.before_server_stop(close_all)


async def join(request: Request, websocket: Websocket) -> None:
    request.ctx.member = Member(websocket, request.transport)


async def chat(request: Request, websocket: Websocket) -> None:
    member = request.ctx.member
    members.add(member)
    try:
        await websocket.wait_for_connection_lost()
    finally:
        member.leave()


async def head(request: Request) -> HTTPResponse:
    raise SanicException(status_code=426)  # a conversation has no HEAD


async def close_all(app: Sanic) -> None:
    for member in list(members):
        member.close(1001, contract.SHUTTING_DOWN)


class Member:
    """A connection, with the messages that it has not taken yet."""

    def __init__(self, websocket: Websocket, transport: asyncio.Transport) -> None:
        self.websocket = websocket
        self.transport = transport
        self.message = b""  # its frames so far
        self.queue: deque[str] = deque()
        self.queued_bytes = 0
        self.sending: asyncio.Task | None = None
        self.task: asyncio.Task | None = None  # a reference, as asyncio keeps none
        websocket.data_received = self.data_received

    def data_received(self, data: bytes) -> None:
        protocol = self.websocket.ws_proto  # of the library websockets: checks and parses
        protocol.receive_data(data)
        replies = protocol.data_to_send()  # pongs, the other half of a close
        frames = protocol.events_received()
        for frame in frames:
            if frame.opcode in DATA_OPCODES and self in members:
                self.receive(frame)
        control = [frame for frame in frames if frame.opcode not in DATA_OPCODES]
        if replies or control:
            self.task = asyncio.create_task(self.reply(replies, control))

    async def reply(self, replies: list[bytes], control: list[Frame]) -> None:
        self.transport.pause_reading()  # until the replies are sent
        await self.websocket.async_data_received(replies, control)
        self.transport.resume_reading()

    def receive(self, frame: Frame) -> None:
        self.message += frame.data
        if frame.opcode is Opcode.BINARY:
            self.close(1003, "text only")
        elif frame.fin:
            try:
                message, self.message = self.message.decode(), b""
            except UnicodeDecodeError:
                self.close(1007)
                return
            for member in list(members):
                if member is not self:
                    member.send(message)

    def send(self, message: str) -> None:
        """Queue a message; drop the member if the queue is full."""
        self.queue.append(message)
        self.queued_bytes += len(message.encode())
        if len(self.queue) > MAX_QUEUED or self.queued_bytes > MAX_QUEUED_BYTES:
            self.close(1013, "too slow")
        elif not self.sending:
            self.sending = asyncio.create_task(self.send_queued())

    async def send_queued(self) -> None:
        while self.queue:
            message = self.queue.popleft()
            await self.websocket.send(message)
            self.queued_bytes -= len(message.encode())
        self.sending = None

    def close(self, code: int, reason: str = "") -> None:
        """Close the connection; cut it off if that takes too long."""
        self.leave()
        self.task = asyncio.create_task(self.websocket.close(code, reason))
        asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)

    def leave(self) -> None:
        """Get no more messages, nor have any taken."""
        members.discard(self)
        self.queue.clear()
        if self.sending:
            self.sending.cancel()
