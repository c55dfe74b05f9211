"""The body of the backend's answer, as Twisted's documentation reads one: by a Protocol.

Not by `readBody`, which logs a traceback where it is cancelled, and a timeout cancels.
"""

from twisted.internet.defer import Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import ResponseDone
from twisted.web.iweb import IResponse

import contract
from start import SETTINGS


def read(response: IResponse) -> Deferred:
    body = Body(response.code)
    response.deliverBody(body)
    return body.whole


class Body(Protocol):
    """Collects a body; `whole` is what it will be."""

    def __init__(self, status: int) -> None:
        self.status = status
        self.parts: list[bytes] = []
        self.whole = Deferred(lambda _: self.transport.loseConnection())

    def dataReceived(self, data: bytes) -> None:
        self.parts.append(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The end of the body, or of the connection in its middle."""
        if self.whole.called:
            return  # cancelled
        if reason.check(ResponseDone) and self.status == 200:
            self.whole.callback(b"".join(self.parts))
        else:
            self.whole.errback(contract.BackendBroken(SETTINGS))
