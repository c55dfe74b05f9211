"""`/chat` as Tornado's WebSocketHandler: a connection that waits is an object in a set."""

from collections import deque
from collections.abc import Awaitable
from typing import ClassVar

from handler import Handler
from tornado.websocket import WebSocketClosedError, WebSocketHandler

import contract

PING_S = 20  # Tornado drops a member that does not answer a ping until the next


class Chat(Handler, WebSocketHandler):
    members: ClassVar[set["Chat"]] = set()

    def open(self) -> None:
        self.set_nodelay(True)
        self.stream = self.ws_connection.stream
        self.queue: deque[bytes] = deque()
        self.queued_bytes = 0
        Chat.members.add(self)

    def on_message(self, message: str | bytes) -> None:
        if self.ws_connection is None:
            return  # already closing: no longer a member
        if isinstance(message, bytes):
            self.close(1003, "text only")
            return
        data = message.encode()
        for member in Chat.members:
            if member is not self:
                member.send(data)

    def on_close(self) -> None:
        Chat.members.discard(self)
        self.queue.clear()

    def send(self, message: bytes) -> None:
        """Queue a message; drop the member if the queue is full."""
        if self.ws_connection is None:
            return
        self.queue.append(message)
        self.queued_bytes += len(message)
        if len(self.queue) > contract.MAX_QUEUE or self.queued_bytes > contract.MAX_QUEUE_BYTES:
            self.queue.clear()
            self.close(1013, "too slow")  # Tornado cuts it off after 5 s
        else:
            self.send_queued()

    def send_queued(self, written: Awaitable[None] | None = None) -> None:
        # Tornado's own buffer has no limit: it gets the next message when it is empty.
        if written and not written.cancelled():
            written.exception()  # WebSocketClosedError: on_close() follows
        while self.queue and not self.stream.writing():
            message = self.queue.popleft()
            self.queued_bytes -= len(message)
            try:
                self.write_message(message).add_done_callback(self.send_queued)
            except WebSocketClosedError:
                self.queue.clear()

    def head(self) -> None:
        self.set_status(426)  # a conversation has no HEAD
        self.finish()

    @classmethod
    def close_all(cls) -> None:
        for member in cls.members:
            member.close(1001, contract.SHUTTING_DOWN)
