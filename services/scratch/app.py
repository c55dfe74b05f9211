"""An event loop from scratch (loop.py), HTTP on top of it (web.py): a generator waits.

While the backend is slow, the generator that asked it is stopped at a `yield`
and lies in the loop's table; the one thread goes on with all the others.
"""

import math
import os
import resource
import signal
import socket
import sys

from client import Backend
from loop import POLLERS, EventLoop, Poll, Select, Socket, Waits
from web import Handler, Request, Server

import contract
import start
from bare.tuning import calm_gc
from start import SETTINGS

DESCRIPTORS_TO_SPARE = 8  # for what opens one now and then, as looking up a name does

loop = EventLoop()
backend = Backend(loop)


def index(request: Request) -> Waits[bytes]:
    delay = contract.delay_from(request.query)
    return backend.call(delay, request_id(request))


def fanout(request: Request) -> Waits[bytes]:
    number, delay = contract.fanout_from(request.query)
    ids = contract.call_ids(request_id(request), number)
    answers = yield from loop.gather([backend.call(delay, call_id) for call_id in ids])
    return contract.fanout_body(SETTINGS, delay, answers)


def composite(request: Request) -> Waits[bytes]:
    delay, cycles = contract.composite_from(request.query)
    ids = contract.call_ids(request_id(request), contract.COMPOSITE_CALLS)

    def branch(ids: list[str]) -> Waits[list[bytes]]:
        answers = yield from loop.gather([backend.call(delay, call_id) for call_id in ids])
        contract.burn(cycles)
        return answers

    first = yield from backend.call(delay, ids[0])
    contract.burn(cycles)
    left, right = yield from loop.gather([branch(ids[1:6]), branch(ids[6:11])])
    contract.burn(cycles)
    last = yield from backend.call(delay, ids[11])
    contract.burn(cycles)
    return contract.composite_body(SETTINGS, delay, cycles, [first, *left, *right, last])


def cpu(request: Request) -> bytes:
    return contract.cpu_body(request.query)


def health(request: Request) -> bytes:
    return b'{"status":"ok"}'


def info(request: Request) -> bytes:
    return start.info()


def request_id(request: Request) -> str:
    return contract.checked_request_id(request.headers.get("x-request-id"))


ROUTES: dict[str, Handler] = {
    "/": index,
    "/fanout": fanout,
    "/composite": composite,
    "/cpu": cpu,
    "/health": health,
    "/info": info,
}
server = Server(loop, ROUTES, backend.admit_client, backend.client_left)
if start.offers("/chat"):
    import chat

    server.routes["/chat"] = chat.chat
    server.on_stop = chat.close


def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    poller = POLLERS[sys.argv[1]]()
    backend.descriptors = descriptors(poller)
    accepting = Socket(loop, listener)
    loop.spawn(server.accept(accepting))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: loop.spawn(server.stop(accepting)))
    calm_gc()
    start.heed_sigterm()
    loop.run(poller)
    for number in (signal.SIGTERM, signal.SIGINT):  # it would kill the interpreter as it ends
        signal.signal(number, signal.SIG_IGN)


def descriptors(poller: Select | Poll) -> float:
    """How many the process may still open, and the poller can take."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = min(poller.most, math.inf if limit == resource.RLIM_INFINITY else limit)
    return most - len(os.listdir("/dev/fd")) - DESCRIPTORS_TO_SPARE


if __name__ == "__main__":
    start.run(serve)
