"""`/chat` by Autobahn: a connection that waits is an object in a set."""

from collections import deque
from functools import cache
from typing import ClassVar

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import PreparedMessage
from twisted.web.server import Request

import contract

CLOSE_S = 5  # that a close frame may take


def chat(request: Request) -> None:
    if request.method == b"HEAD" or not request.getHeader(b"Upgrade"):
        request.setHeader(b"Upgrade", b"websocket")
        raise contract.Problem(426, "this is a WebSocket")
    request.channel.everyone.discard(request.channel)
    WebSocketResource(chat_factory()).render(request)


@cache
def chat_factory() -> WebSocketServerFactory:
    """The chat of this process; not made on import, because it takes the reactor."""
    factory = WebSocketServerFactory()
    factory.protocol = Chat
    factory.setProtocolOptions(
        maxMessagePayloadSize=contract.MAX_MESSAGE,
        failByDrop=False,  # but with a close frame that says why
        closeHandshakeTimeout=CLOSE_S,
    )
    return factory


class Chat(WebSocketServerProtocol):
    """A member, with the messages that its transport has no room for yet."""

    members: ClassVar[set["Chat"]] = set()

    @classmethod
    def close_all(cls) -> None:
        for member in cls.members:
            member.sendCloseFrame(cls.CLOSE_STATUS_CODE_GOING_AWAY)

    def onOpen(self) -> None:
        self.queue: deque[PreparedMessage] = deque()
        self.queued_bytes = 0
        self.is_paused = False
        self.transport.unregisterProducer()  # the HTTP channel that it was
        self.transport.registerProducer(self, True)
        Chat.members.add(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.state != self.STATE_OPEN:
            return
        if isBinary:
            self.sendCloseFrame(self.CLOSE_STATUS_CODE_UNSUPPORTED_DATA)
            return
        message = self.factory.prepareMessage(payload)  # all get the same bytes
        for member in Chat.members:
            if member is not self:
                member.send(message)

    def onPing(self, payload: bytes) -> None:
        if not self.is_paused:  # a member that does not read misses no pong
            super().onPing(payload)

    def send(self, message: PreparedMessage) -> None:
        """Send a message, or queue it; drop the member if the queue is full."""
        if self.state != self.STATE_OPEN:
            return
        if not self.is_paused:
            self.sendPreparedMessage(message)
            return
        self.queue.append(message)
        self.queued_bytes += len(message.payload)
        if len(self.queue) > contract.MAX_QUEUE or self.queued_bytes > contract.MAX_QUEUE_BYTES:
            self.queue.clear()
            self.sendCloseFrame(1013)  # Autobahn has no name for "try again later"

    def pauseProducing(self) -> None:
        self.is_paused = True

    def resumeProducing(self) -> None:
        self.is_paused = False
        while self.queue and not self.is_paused:
            message = self.queue.popleft()
            self.queued_bytes -= len(message.payload)
            self.sendPreparedMessage(message)

    def stopProducing(self) -> None:
        self.queue.clear()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        Chat.members.discard(self)
