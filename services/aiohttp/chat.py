"""`/chat` as aiohttp's WebSocketResponse: a connection that waits is a coroutine and an object."""

import asyncio
import contextlib
from collections import deque

from aiohttp import WSCloseCode, WSMsgType, web

import contract

CLOSE_S = 5  # that a member may take to close

members: set["Member"] = set()


async def chat(request: web.BaseRequest) -> web.WebSocketResponse:
    if request.method == "HEAD":
        raise web.HTTPUpgradeRequired  # a conversation has no HEAD
    websocket = web.WebSocketResponse(
        timeout=CLOSE_S,
        compress=False,  # much memory for each connection, and short messages
        max_msg_size=contract.MAX_MESSAGE + 1,  # the first size refused
        writer_limit=0,  # sending waits as soon as the socket is full
    )
    member = Member(websocket, request.transport)
    await websocket.prepare(request)
    members.add(member)
    try:
        with contextlib.suppress(ConnectionError):  # lost while a pong or a close was sent
            async for message in websocket:
                if message.type is WSMsgType.TEXT:
                    data = message.data.encode()
                    for other in list(members):
                        if other is not member:
                            other.send(data)
                    await asyncio.sleep(0)  # the queues are sent before more comes
                elif message.type is WSMsgType.BINARY:
                    await member.close(WSCloseCode.UNSUPPORTED_DATA)
    finally:
        member.leave()
    return websocket


async def close_all(app: web.Application | None = None) -> None:
    await asyncio.gather(*[member.close(WSCloseCode.GOING_AWAY) for member in members])


class Member:
    """A connection, with the messages that it has not taken yet."""

    def __init__(self, websocket: web.WebSocketResponse, transport: asyncio.Transport) -> None:
        self.websocket = websocket
        self.transport = transport
        transport.set_write_buffer_limits(0)  # messages wait in the queue, where they are counted
        self.queue: deque[bytes] = deque()
        self.queued_bytes = 0
        self.task: asyncio.Task[None] | None = None

    def send(self, message: bytes) -> None:
        """Queue a message; drop the member if the queue is full."""
        self.queue.append(message)
        self.queued_bytes += len(message)
        if len(self.queue) > contract.MAX_QUEUE or self.queued_bytes > contract.MAX_QUEUE_BYTES:
            self.leave()
            self.task = asyncio.create_task(self.close(WSCloseCode.TRY_AGAIN_LATER))
        elif not self.task:
            self.task = asyncio.create_task(self.send_queued())

    async def send_queued(self) -> None:
        with contextlib.suppress(ConnectionError):  # the handler learns of it, too, and leaves
            while self.queue:
                message = self.queue.popleft()
                await self.websocket.send_frame(message, WSMsgType.TEXT)
                self.queued_bytes -= len(message)
        self.task = None

    async def close(self, code: int) -> None:
        """Close the connection; cut it off if that takes too long."""
        asyncio.get_running_loop().call_later(CLOSE_S, self.transport.abort)
        await self.websocket.close(code=code)

    def leave(self) -> None:
        """Get no more messages."""
        members.discard(self)
        self.queue.clear()
