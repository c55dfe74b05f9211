"""Twisted: a Deferred waits.

While the backend is slow, what is left of the request is a `Deferred`: the list
of callbacks that the answer will go through. No thread and no stack is kept.
"""

import gc
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import signal
import socket
import sys
import tempfile
from collections import deque
from collections.abc import Iterable
from functools import partial
from http import HTTPStatus
from importlib.metadata import version
from itertools import chain
from pathlib import Path
from typing import ClassVar

from autobahn.twisted.resource import WebSocketResource
from autobahn.twisted.websocket import WebSocketServerFactory, WebSocketServerProtocol
from autobahn.websocket.protocol import PreparedMessage
from twisted.internet import epollreactor
from twisted.internet.defer import (
    CancelledError,
    Deferred,
    DeferredSemaphore,
    gatherResults,
    maybeDeferred,
    succeed,
)
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectError, ConnectionAborted, ConnectionClosed, TimeoutError
from twisted.internet.task import LoopingCall, deferLater
from twisted.internet.threads import deferToThread
from twisted.logger import (
    FilteringLogObserver,
    Logger,
    LogLevel,
    LogLevelFilterPredicate,
    globalLogBeginner,
    textFileLogObserver,
)
from twisted.protocols.basic import LineReceiver
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure
from twisted.web._newclient import HTTP11ClientProtocol
from twisted.web.client import (
    Agent,
    HTTPConnectionPool,
    PartialDownloadError,
    ResponseFailed,
    readBody,
)
from twisted.web.http import HTTPChannel
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgentEndpointFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site
from zope.interface import implementer

import contract

SETTINGS = contract.settings(os.environ)
FOLDER = Path(__file__).parent
INFO = {
    "service": FOLDER.name,
    "workers": SETTINGS.workers,
    "concurrency": SETTINGS.concurrency,
    "slots": SETTINGS.workers * SETTINGS.concurrency,
    "client_pool": SETTINGS.concurrency,
    "backend_url": SETTINGS.backend_url,
    "backend_timeout_s": SETTINGS.backend_timeout_s,
    "versions": {"python": platform.python_version()}
    | {name: version(name) for name in (FOLDER / "requirements.in").read_text().split()},
}
FILE = tempfile.TemporaryFile()  # noqa: SIM115 (open as long as the service runs)
LOG = Logger("service")
MAX_WAITING = 256  # messages for one chat connection,
MAX_WAITING_BYTES = 1024 * 1024  # and their size
CLOSE_S = 5  # how long a close frame may take


class BackendConnection(HTTP11ClientProtocol, TimeoutMixin):
    """A connection of the pool, which notices when the backend falls silent."""

    def request(self, request: object) -> Deferred:
        self.setTimeout(SETTINGS.backend_timeout_s)
        self.response = super().request(request)
        return self.response

    def dataReceived(self, data: bytes) -> None:
        self.resetTimeout()
        super().dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:
        self.setTimeout(None)
        super().connectionLost(reason)

    def timeoutConnection(self) -> None:
        if self.state == "QUIESCENT":  # nothing was asked
            return
        if self.response.called:
            self.transport.abortConnection()
        else:  # to abort would look like a stale connection, and be asked again
            self.response.cancel()


class BackendPool(HTTPConnectionPool):
    maxPersistentPerHost = SETTINGS.concurrency  # the default is 2
    cachedConnectionTimeout = 60
    # Asks once more, on a new connection, where a kept one brought nothing at all.
    retryAutomatically = True

    class _factory(HTTPConnectionPool._factory):
        def buildProtocol(self, addr: object) -> BackendConnection:
            return BackendConnection(self._quiescentCallback)


class BackendLine(LineReceiver, TimeoutMixin):
    """One line to the backend and back; `answer` is the line that comes."""

    delimiter = b"\n"

    def __init__(self, line: bytes) -> None:
        self.line = line
        self.answer: Deferred = Deferred(lambda _: self.transport.abortConnection())

    def connectionMade(self) -> None:
        self.setTimeout(SETTINGS.backend_timeout_s)
        self.transport.write(self.line)

    def dataReceived(self, data: bytes) -> None:
        self.resetTimeout()
        super().dataReceived(data)

    def lineReceived(self, line: bytes) -> None:
        if not self.answer.called:
            self.answer.callback(line + self.delimiter)
        self.transport.loseConnection()

    def timeoutConnection(self) -> None:
        self.answer.errback(TimeoutError())
        self.transport.abortConnection()

    def connectionLost(self, reason: Failure) -> None:
        self.setTimeout(None)
        if not self.answer.called:
            self.answer.errback(reason)


@implementer(IAgentEndpointFactory)
class Backend:
    """The way to the backend: one pool of kept-alive connections a process."""

    def open(self, reactor: epollreactor.EPollReactor) -> None:
        # One connection for each request in flight; the rest wait in line here.
        self.slots = DeferredSemaphore(SETTINGS.concurrency)
        self.pool = BackendPool(reactor)
        self.agent = Agent.usingEndpointFactory(reactor, self, self.pool)
        host, line_port = contract.line_address(SETTINGS.backend_url)
        timeout_s = SETTINGS.backend_timeout_s
        self.endpoint = TCP4ClientEndpoint(reactor, host, line_port - 1, timeout_s)
        self.line_endpoint = TCP4ClientEndpoint(reactor, host, line_port, timeout_s)

    def endpointForURI(self, uri: object) -> TCP4ClientEndpoint:
        return self.endpoint

    def call(self, delay: str, request_id: str) -> Deferred:
        """The body of the backend's answer; fails with BackendBroken or BackendSlow."""
        return self.slots.run(self.exchange, delay, request_id).addErrback(explain)

    def exchange(self, delay: str, request_id: str) -> Deferred:
        url = f"{SETTINGS.backend_url}/delay/{delay}".encode()
        headers = Headers({b"X-Request-ID": [request_id.encode()]}) if request_id else None
        return self.agent.request(b"GET", url, headers).addCallback(self.read)

    def read(self, response: object) -> Deferred:
        def check(body: bytes) -> bytes:
            if response.code != 200:
                raise contract.BackendBroken(SETTINGS.backend_url)
            return body

        return readBody(response).addCallback(check)

    def line(self, delay: str, request_id: str) -> Deferred:
        """The line that comes back; fails with BackendBroken or BackendSlow."""
        sent = contract.line(delay, request_id)
        return self.slots.run(self.exchange_line, sent).addErrback(explain)

    def exchange_line(self, line: bytes) -> Deferred:
        connecting = connectProtocol(self.line_endpoint, BackendLine(line))
        return connecting.addCallback(lambda protocol: protocol.answer)

    def close(self) -> Deferred:
        return self.pool.closeCachedConnections()


BACKEND = Backend()


def explain(failure: Failure) -> Failure:
    """What became of a call, in the contract's words."""
    if is_silence(failure):
        raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
    failure.trap(ConnectError, ConnectionClosed, ResponseFailed, PartialDownloadError)
    raise contract.BackendBroken(SETTINGS.backend_url) from None


def is_silence(failure: Failure) -> bool:
    if failure.check(CancelledError, ConnectionAborted, TimeoutError):
        return True
    return any(is_silence(reason) for reason in getattr(failure.value, "reasons", []))


def together(deferreds: Iterable[Deferred]) -> Deferred:
    """All results, in order; the first failure cancels the others and is the result."""
    deferreds = list(deferreds)

    def failed(failure: Failure) -> Failure:
        for deferred in deferreds:
            deferred.cancel()
        return failure.value.subFailure

    return gatherResults(deferreds, consumeErrors=True).addErrback(failed)


def make_file() -> None:
    for _ in range(16):
        FILE.write(contract.file_block())
    FILE.flush()


def read_file(size: int) -> bytes:
    parts, left = [], size
    while left:
        parts.append(os.pread(FILE.fileno(), left, size - left))
        left -= len(parts[-1])
    return b"".join(parts)


class Member(WebSocketServerProtocol):
    """A chat connection, with the messages that its transport has no room for yet."""

    def onOpen(self) -> None:
        self.waiting: deque[PreparedMessage] = deque()
        self.waiting_bytes = 0
        self.is_paused = False
        self.transport.unregisterProducer()  # the HTTP channel that it was
        self.transport.registerProducer(self, True)
        MEMBERS.add(self)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        if self.state != self.STATE_OPEN:
            return
        if isBinary:
            self.sendCloseFrame(self.CLOSE_STATUS_CODE_UNSUPPORTED_DATA)
            return
        message = self.factory.prepareMessage(payload)  # all get the same bytes
        for member in MEMBERS:
            if member is not self:
                member.tell(message)

    def onPing(self, payload: bytes) -> None:
        if not self.is_paused:  # who does not read misses no pong
            super().onPing(payload)

    def tell(self, message: PreparedMessage) -> None:
        """Send it as soon as the transport has room; drop who does not read."""
        if self.state != self.STATE_OPEN:
            return
        if not self.is_paused:
            self.sendPreparedMessage(message)
            return
        self.waiting.append(message)
        self.waiting_bytes += len(message.payload)
        if len(self.waiting) > MAX_WAITING or self.waiting_bytes > MAX_WAITING_BYTES:
            self.waiting.clear()
            self.sendCloseFrame(1013)  # Autobahn has no name for "try again later"

    def pauseProducing(self) -> None:
        self.is_paused = True

    def resumeProducing(self) -> None:
        self.is_paused = False
        while self.waiting and not self.is_paused:
            message = self.waiting.popleft()
            self.waiting_bytes -= len(message.payload)
            self.sendPreparedMessage(message)

    def stopProducing(self) -> None:
        self.waiting.clear()

    def onClose(self, wasClean: bool, code: int | None, reason: str | None) -> None:
        MEMBERS.discard(self)


MEMBERS: set[Member] = set()


def index(request: Request) -> Deferred:
    delay = contract.delay_from(query(request))
    return BACKEND.call(delay, request_id_of(request))


def fanout(request: Request) -> Deferred:
    calls, delay = contract.fanout_from(query(request))
    ids = contract.call_ids(request_id_of(request), calls)
    answers = together(BACKEND.call(delay, call_id) for call_id in ids)
    return answers.addCallback(partial(contract.fanout_body, SETTINGS.backend_url, delay))


def composite(request: Request) -> Deferred:
    delay, cycles = contract.composite_from(query(request))
    ids = contract.call_ids(request_id_of(request), contract.COMPOSITE_CALLS)

    def several(call_ids: list[str]) -> Deferred:
        answers = together(BACKEND.call(delay, call_id) for call_id in call_ids)
        return answers.addCallback(burned)

    def burned(answers: list) -> list:
        contract.burn(cycles)
        return answers

    def branches(first: list[bytes]) -> Deferred:
        both = together([succeed(first), several(ids[1:6]), several(ids[6:11])])
        return both.addCallback(burned)

    def last(parts: list[list[bytes]]) -> Deferred:
        return several(ids[11:]).addCallback(lambda part: list(chain(*parts, part)))

    answers = several(ids[:1]).addCallback(branches).addCallback(last)
    return answers.addCallback(
        partial(contract.composite_body, SETTINGS.backend_url, delay, cycles)
    )


def cpu(request: Request) -> bytes:
    cycles = contract.cycles_from(query(request))
    contract.burn(cycles)
    return contract.cpu_body(cycles)


def line(request: Request) -> Deferred:
    delay = contract.delay_from(query(request))
    request_id = request_id_of(request)
    sent = contract.line(delay, request_id)
    received = BACKEND.line(delay, request_id)
    return received.addCallback(partial(contract.line_body, SETTINGS.backend_url, sent))


def file(request: Request) -> Deferred:
    size = contract.size_from(query(request))
    request.setHeader(b"Content-Type", b"application/octet-stream")
    # epoll calls every file ready and the read then blocks: in a thread, it may.
    return deferToThread(read_file, size)


def chat(request: Request) -> None:
    if request.method == b"HEAD" or not request.getHeader(b"Upgrade"):
        request.setHeader(b"Upgrade", b"websocket")
        raise contract.Problem(426, "this is a WebSocket")
    Channel.everyone.discard(request.channel)
    WebSocketResource(request.site.chat).render(request)


def health(request: Request) -> bytes:
    return b'{"status":"ok"}'


def info(request: Request) -> bytes:
    return json.dumps(INFO).encode()


ROUTES = {
    b"/": index,
    b"/fanout": fanout,
    b"/composite": composite,
    b"/cpu": cpu,
    b"/line": line,
    b"/file": file,
    b"/chat": chat,
    b"/health": health,
    b"/info": info,
}


def query(request: Request) -> str:
    return request.uri.partition(b"?")[2].decode("latin-1")


def request_id_of(request: Request) -> str:
    given = request.requestHeaders.getRawHeaders(b"X-Request-ID")
    return contract.checked_request_id(b",".join(given).decode("latin-1") if given else None)


class Root(Resource):
    """All routes: so every answer, and every error, is the contract's."""

    isLeaf = True

    def render(self, request: Request) -> int:
        request.setHeader(b"Content-Type", contract.JSON.encode())
        answer = maybeDeferred(self.route, request)
        answer.addErrback(self.failed, request)
        answer.addCallback(self.respond, request)
        answer.addErrback(lambda failure: LOG.failure("{uri}", failure, uri=request.uri))
        return NOT_DONE_YET

    def route(self, request: Request) -> Deferred | bytes | None:
        handler = ROUTES.get(request.path)
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
        request.setHeader(b"Content-Type", contract.JSON.encode())
        return contract.error_body(problem.message)

    def respond(self, body: bytes | None, request: Request) -> None:
        if body is None or not request.channel:  # a chat now, or the client hung up
            return
        if Channel.is_stopping:
            # Not before what it sent without waiting is answered, too.
            request.channel.persistent = bool(request.channel._dataBuffer)
        request.setHeader(b"Content-Length", b"%d" % len(body))
        request.write(body)
        request.finish()


class Channel(HTTPChannel):
    """A client's connection, which knows when it may be closed."""

    everyone: ClassVar[set["Channel"]] = set()
    is_stopping = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self.transport.setTcpNoDelay(True)
        Channel.everyone.add(self)

    def connectionLost(self, reason: Failure) -> None:
        Channel.everyone.discard(self)
        super().connectionLost(reason)


class Service(Site):
    protocol = Channel  # not the one that can change to HTTP/2

    def __init__(self, reactor: epollreactor.EPollReactor) -> None:
        super().__init__(Root(), timeout=75, reactor=reactor)
        self.chat = WebSocketServerFactory(reactor=reactor)
        self.chat.protocol = Member
        self.chat.setProtocolOptions(
            maxMessagePayloadSize=contract.MAX_MESSAGE,
            failByDrop=False,  # but with a close frame that says why
            closeHandshakeTimeout=CLOSE_S,
        )

    def log(self, request: Request) -> None:
        """No access log."""


def calm_gc() -> None:
    """Collect less often, and never look at what was there at the start.

    Else everything that waits is walked again and again: a sixth of the CPU
    at 1000 users.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    errors = FilteringLogObserver(
        textFileLogObserver(sys.stderr), [LogLevelFilterPredicate(LogLevel.error)]
    )
    globalLogBeginner.beginLoggingTo([errors], redirectStandardIO=False)
    epollreactor.install()
    from twisted.internet import reactor  # now it is the one, and of this process

    BACKEND.open(reactor)
    listener.setblocking(False)
    port = reactor.adoptStreamPort(listener.fileno(), socket.AF_INET, Service(reactor))

    def drain() -> Deferred:
        # What came before the signal may still be in the sockets' buffers.
        return deferLater(reactor, 0.1, stop).addCallback(lambda _: BACKEND.close())

    def stop() -> Deferred:
        port.stopListening()
        Channel.is_stopping = True
        for member in MEMBERS:
            member.sendCloseFrame(Member.CLOSE_STATUS_CODE_GOING_AWAY)
        deadline = reactor.seconds() + 30

        def look() -> None:
            for channel in list(Channel.everyone):
                if not channel.requests:
                    channel.loseConnection()
            if not (Channel.everyone or MEMBERS) or reactor.seconds() > deadline:
                looking.stop()

        looking = LoopingCall(look)
        return looking.start(0.01)

    reactor.addSystemEventTrigger("before", "shutdown", drain)
    reactor.callWhenRunning(signal.pthread_sigmask, signal.SIG_UNBLOCK, {signal.SIGTERM})
    calm_gc()
    reactor.run()


def main() -> None:
    try:
        listener = socket.create_server((SETTINGS.host, SETTINGS.port), backlog=4096)
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    make_file()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until somebody can heed it
    make_file()
    if SETTINGS.workers == 1:
        serve(listener)
        return
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=lambda: serve(listener)) for _ in range(SETTINGS.workers)]
    for worker in workers:
        worker.start()
    running = list(workers)

    def stop(*_: object) -> None:
        while running:
            running.pop().terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
    multiprocessing.connection.wait([worker.sentinel for worker in workers])
    stop()  # one is gone: without it the service is not what it says
    for worker in workers:
        worker.join()
    sys.exit(max(abs(worker.exitcode) for worker in workers))


if __name__ == "__main__":
    main()
