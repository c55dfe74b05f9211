"""Django with sync views: a thread waits.

While the backend is slow, the thread of the request that asked it waits, and the
process goes on in all its others.
"""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from functools import partial

import web
from client import Backend
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from web import query, request_id

import contract
import start
from start import SETTINGS

INFO = start.info()

backend = Backend()
# A request's calls at once. Branches wait for calls: in one pool they could take all its threads.
calls = ThreadPoolExecutor(start.helpers())
branches = ThreadPoolExecutor(start.helpers())

app = get_wsgi_application()


@web.get("")
def index(request: HttpRequest) -> bytes:
    delay = contract.delay_from(query(request))
    return backend.call(delay, request_id(request))


@web.get("fanout")
def fanout(request: HttpRequest) -> bytes:
    number, delay = contract.fanout_from(query(request))
    ids = contract.call_ids(request_id(request), number)
    answers = together(calls, partial(backend.call, delay), ids)
    return contract.fanout_body(SETTINGS, delay, answers)


@web.get("composite")
def composite(request: HttpRequest) -> bytes:
    delay, cycles = contract.composite_from(query(request))
    ids = contract.call_ids(request_id(request), contract.COMPOSITE_CALLS)

    def branch(ids: list[str]) -> list[bytes]:
        answers = together(calls, partial(backend.call, delay), ids)
        contract.burn(cycles)
        return answers

    first = backend.call(delay, ids[0])
    contract.burn(cycles)
    left, right = together(branches, branch, [ids[1:6], ids[6:11]])
    contract.burn(cycles)
    last = backend.call(delay, ids[11])
    contract.burn(cycles)
    return contract.composite_body(SETTINGS, delay, cycles, [first, *left, *right, last])


@web.get("cpu")
def cpu(request: HttpRequest) -> bytes:
    cycles = contract.cycles_from(query(request))
    contract.burn(cycles)
    return contract.cpu_body(cycles)


@web.get("health")
def health(request: HttpRequest) -> bytes:
    return b'{"status":"ok"}'


@web.get("info")
def info(request: HttpRequest) -> bytes:
    return INFO


def together(pool: Executor, work: Callable, parts: list) -> list:
    """Run `work` on all parts, the first in this thread; raises after the others have ended."""
    others = [pool.submit(work, part) for part in parts[1:]]
    try:
        return [work(parts[0]), *(other.result() for other in others)]
    finally:
        wait([other for other in others if not other.cancel()])
