"""Twisted: a Deferred waits.

While the backend is slow, what is left of the request is a `Deferred`: the list
of callbacks that the answer will go through. No thread and no stack is kept.
"""

import socket
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain

from chat import chat
from client import Backend
from server import Root, run
from twisted.internet.defer import Deferred, gatherResults, succeed
from twisted.web.server import Request

import contract
import start
from start import SETTINGS


def index(request: Request) -> Deferred:
    delay = contract.delay_from(query(request))
    return backend.call(delay, request_id(request))


def fanout(request: Request) -> Deferred:
    number, delay = contract.fanout_from(query(request))
    ids = contract.call_ids(request_id(request), number)
    answers = together(backend.call(delay, call_id) for call_id in ids)
    return answers.addCallback(partial(contract.fanout_body, SETTINGS, delay))


def composite(request: Request) -> Deferred:
    delay, cycles = contract.composite_from(query(request))
    ids = contract.call_ids(request_id(request), contract.COMPOSITE_CALLS)

    def branch(ids: list[str]) -> Deferred:
        answers = together(backend.call(delay, call_id) for call_id in ids)
        return answers.addCallback(burned)

    def burned(answers: list) -> list:
        contract.burn(cycles)
        return answers

    def branches(first: list[bytes]) -> Deferred:
        both = together([succeed(first), branch(ids[1:6]), branch(ids[6:11])])
        return both.addCallback(burned)

    def last(parts: list[list[bytes]]) -> Deferred:
        return branch(ids[11:]).addCallback(lambda part: list(chain(*parts, part)))

    answers = branch(ids[:1]).addCallback(branches).addCallback(last)
    return answers.addCallback(partial(contract.composite_body, SETTINGS, delay, cycles))


def cpu(request: Request) -> bytes:
    return contract.cpu_body(query(request))


def json(request: Request) -> Deferred:
    delay, size = contract.json_from(query(request))
    answer = backend.call(f"{delay}/{size}", request_id(request))
    return answer.addCallback(partial(contract.json_body, SETTINGS))


def health(request: Request) -> bytes:
    return b'{"status":"ok"}'


def info(request: Request) -> bytes:
    return start.info()


def together(deferreds: Iterable[Deferred]) -> Deferred:
    """All results, in order; the first failure cancels the others and is the result."""
    deferreds = list(deferreds)

    def failed(failure: object) -> object:
        for deferred in deferreds:
            deferred.cancel()
        return failure.value.subFailure

    return gatherResults(deferreds, consumeErrors=True).addErrback(failed)


def query(request: Request) -> str:
    return request.uri.partition(b"?")[2].decode("latin-1")


def request_id(request: Request) -> str:
    given = request.requestHeaders.getRawHeaders(b"X-Request-ID")
    return contract.checked_request_id(b",".join(given).decode("latin-1") if given else None)


ROUTES: dict[bytes, Callable[[Request], Deferred | bytes | None]] = {
    b"/": index,
    b"/fanout": fanout,
    b"/composite": composite,
    b"/cpu": cpu,
    b"/json": json,
    b"/chat": chat,
    b"/health": health,
    b"/info": info,
}


def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    global backend
    backend = Backend()
    run(listener, Root(ROUTES), backend.close)


if __name__ == "__main__":
    start.run(serve)
