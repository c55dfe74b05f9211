"""The answer to a request, as httptools' parser tells of it: what both clients here do with it."""


class Stale(ConnectionError):
    """The backend closed the connection before anything came back."""


class Answer:
    """The one that `parser` is reading; a connection is one of these after the other."""

    def expect(self) -> None:
        """Forget the last one: a request is sent."""
        self.body = b""
        self.answers = 0
        self.is_complete = self.is_kept = False

    def is_good(self) -> bool:
        return self.is_complete and self.answers == 1 and self.parser.get_status_code() == 200

    # The parser calls these.

    def on_message_begin(self) -> None:
        self.answers += 1

    def on_body(self, body: bytes) -> None:
        self.body += body

    def on_message_complete(self) -> None:
        self.is_complete = True
        self.is_kept = self.parser.should_keep_alive()
