"""The parts that all answers have in common, and rules of HTTP that Twisted leaves out."""

import re
import socket
from collections.abc import Callable, Generator
from http import HTTPStatus
from typing import ClassVar

from chat import Chat
from twisted.internet.defer import Deferred, inlineCallbacks, maybeDeferred
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.internet.task import deferLater
from twisted.logger import Logger, STDLibLogObserver, globalLogBeginner
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

import contract
import start

LOG = Logger("service")

scheme_and_host = re.compile(rb"https?://[^/]+", re.IGNORECASE).match


class ServiceRequest(Request):
    is_whole = False

    def process(self) -> None:
        self.is_whole = True
        if found := scheme_and_host(self.path):  # GET http://any.host/health
            self.path = self.path[found.end() :] or b"/"
        elif self.path == b"*":
            self.path = b"/*"  # no route, where Twisted has a page of its own
        super().process()


@implementer(IHalfCloseableProtocol)
class Channel(HTTPChannel):
    """A client's connection, which knows when to close."""

    everyone: ClassVar[set["Channel"]] = set()
    is_stopping = False
    is_half_closed = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.setTcpNoDelay(True)
        Channel.everyone.add(self)

    def checkPersistence(self, request: Request, version: bytes) -> bool:
        """Twisted itself sees `close` but not `close, TE`."""
        given = b",".join(request.requestHeaders.getRawHeaders(b"Connection", []))
        if b"close" in given.lower().replace(b" ", b"").split(b","):
            request.responseHeaders.setRawHeaders(b"Connection", [b"close"])
            return False
        return super().checkPersistence(request, version)

    def requestDone(self, request: Request) -> None:
        super().requestDone(request)
        if Channel.is_stopping or self.is_half_closed:
            self.close_if_idle()

    def readConnectionLost(self) -> None:
        """The client will send nothing more, and may still wait for an answer."""
        self.is_half_closed = True
        self.close_if_idle()

    def writeConnectionLost(self) -> None:
        pass

    def close_if_idle(self) -> None:
        if not self.requests or (self.is_half_closed and not self.requests[0].is_whole):
            self.loseConnection()

    def connectionLost(self, reason: Failure) -> None:
        Channel.everyone.discard(self)
        super().connectionLost(reason)


class Root(Resource):
    """All routes in one resource: so every answer, and every error, is the contract's."""

    isLeaf = True

    def __init__(self, routes: dict[bytes, Callable]) -> None:
        super().__init__()
        self.routes = routes

    def render(self, request: Request) -> int:
        answer = maybeDeferred(self.route, request)
        answer.addErrback(self.failed, request)
        answer.addCallback(self.answer, request)
        answer.addErrback(lambda failure: LOG.failure("{uri}", failure, uri=request.uri))
        return NOT_DONE_YET

    def route(self, request: Request) -> Deferred | bytes | None:
        handler = self.routes.get(request.path)
        if not handler:
            raise contract.Problem(404, contract.NO_ROUTE)
        if request.method not in (b"GET", b"HEAD"):
            request.setHeader(b"Allow", b"GET, HEAD")
            raise contract.Problem(405, contract.WRONG_METHOD)
        return handler(request)

    def failed(self, failure: Failure, request: Request) -> bytes:
        problem = failure.value
        if not isinstance(problem, contract.Problem):
            LOG.failure("{uri}", failure, uri=request.uri)
            problem = contract.Problem(500, contract.INTERNAL)
        request.setResponseCode(problem.status, HTTPStatus(problem.status).phrase.encode())
        return contract.error_body(problem.message)

    def answer(self, body: bytes | None, request: Request) -> None:
        if body is None or not request.channel:  # a chat now, or the client is gone
            return
        request.setHeader(b"Content-Type", contract.JSON.encode())
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(body)
        request.finish()


class Service(Site):
    protocol = Channel
    requestFactory = ServiceRequest

    def log(self, request: Request) -> None:
        """No access log."""


def run(listener: socket.socket, root: Root, close: Callable[[], Deferred]) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in flight, and call `close`."""
    from twisted.internet import reactor  # epoll, and of this process

    # By Python's logging, which shows warnings and errors.
    globalLogBeginner.beginLoggingTo([STDLibLogObserver()], redirectStandardIO=False)
    listener.setblocking(False)
    service = Service(root, timeout=start.KEEP_ALIVE_S)
    port = reactor.adoptStreamPort(listener.fileno(), listener.family, service)
    listener.close()  # the port has a descriptor of its own

    @inlineCallbacks
    def drain() -> Generator[Deferred, None, None]:
        yield deferLater(reactor, 0.1)  # what came before may still be in the sockets' buffers
        port.stopListening()
        Channel.is_stopping = True
        Chat.close_all()
        deadline = reactor.seconds() + start.DRAIN_S
        while (Channel.everyone or Chat.members) and reactor.seconds() < deadline:
            for channel in list(Channel.everyone):
                channel.close_if_idle()
            yield deferLater(reactor, 0.01)
        yield close()

    reactor.addSystemEventTrigger("before", "shutdown", drain)
    reactor.callWhenRunning(start.heed_sigterm)
    reactor.run()
