"""The backend by Twisted's Agent with a pool of kept connections."""

from body import Body
from twisted.internet.defer import Deferred, DeferredSemaphore
from twisted.internet.error import ConnectError, TimeoutError
from twisted.python.failure import Failure
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    RequestNotSent,
    RequestTransmissionFailed,
    ResponseFailed,
)
from twisted.web.http_headers import Headers

import contract
from start import SETTINGS


class Backend:
    def __init__(self) -> None:
        # Not above: this makes the reactor, and no other process may have a part in it.
        from twisted.internet import reactor

        self.reactor = reactor
        self.slots = DeferredSemaphore(SETTINGS.concurrency)  # Agent has no limit
        self.pool = HTTPConnectionPool(reactor)  # it sends once more where one was stale
        self.pool.maxPersistentPerHost = SETTINGS.concurrency  # 2 by default
        self.agent = Agent(reactor, connectTimeout=SETTINGS.backend_timeout_s, pool=self.pool)

    def call(self, delay: str, request_id: str) -> Deferred:
        """The body of the backend's answer; fails with BackendBroken or BackendSlow."""
        return self.slots.run(self.exchange, delay, request_id).addErrback(explain)

    def exchange(self, delay: str, request_id: str) -> Deferred:
        url = f"{SETTINGS.backend_url}/delay/{delay}".encode()
        headers = Headers({b"X-Request-ID": [request_id.encode()]}) if request_id else None
        answer = self.agent.request(b"GET", url, headers)
        answer.addCallback(lambda response: Body(response).whole)
        # This is all that waits. The timeout is that of the whole call: Agent has no other.
        return answer.addTimeout(SETTINGS.backend_timeout_s, self.reactor, onTimeoutCancel=slow)

    def close(self) -> Deferred:
        return self.pool.closeCachedConnections()


def slow(result: object, timeout_s: float) -> None:
    raise contract.BackendSlow(SETTINGS)


def explain(failure: Failure) -> None:
    """The failure in the contract's words; those that are no answer's stay as they are."""
    if failure.check(TimeoutError):  # of connecting
        raise contract.BackendSlow(SETTINGS) from None
    failure.trap(  # DNSLookupError is an OSError
        OSError, ConnectError, RequestNotSent, RequestTransmissionFailed, ResponseFailed
    )
    raise contract.BackendBroken(SETTINGS) from None
