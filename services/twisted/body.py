"""The body of the backend's answer, as Twisted's documentation reads one: by a Protocol.

Not by `readBody`, which logs a traceback where it is cancelled, and a timeout cancels.
"""

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IResponse

import contract
from start import SETTINGS


class Body(Protocol):
    """Collects a body; `whole` is a Deferred of it."""

    def __init__(self, response: IResponse) -> None:
        self.is_good = response.code == 200
        self.parts: list[bytes] = []
        self.whole = Deferred(lambda _: self.transport.loseConnection())
        response.deliverBody(self)

    def dataReceived(self, data: bytes) -> None:
        self.parts.append(data)

    def connectionLost(self, reason: Failure) -> None:
        """The end of the body, or of the connection in its middle."""
        if self.whole.called:
            return  # cancelled
        if self.is_good and reason.check(ResponseDone):
            self.whole.callback(b"".join(self.parts))
        else:
            self.whole.errback(contract.BackendBroken(SETTINGS))
