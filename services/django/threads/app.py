"""Django with sync views: a thread waits.

While the backend is slow, the thread of the request that asked it waits, and the
process goes on in all its others.
"""

from functools import partial

import web
from client import Backend
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest
from web import query, request_id

import contract
import start
from pools import branches, calls, together
from start import SETTINGS

backend = Backend()

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
    return contract.cpu_body(query(request))


@web.get("json")
def json(request: HttpRequest) -> bytes:
    delay, size = contract.json_from(query(request))
    answer = backend.call(f"{delay}/{size}", request_id(request))
    return contract.json_body(SETTINGS, answer)


@web.get("health")
def health(request: HttpRequest) -> bytes:
    return b'{"status":"ok"}'


@web.get("info")
def info(request: HttpRequest) -> bytes:
    return start.info()
