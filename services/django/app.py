"""Django with async views: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`, and the
one event loop goes on with all the others. Beside each of them Django keeps an idle thread.
"""

from functools import cache

import web
from client import Backend
from django.core.asgi import get_asgi_application
from django.http import HttpRequest
from web import query, request_id

import asgi
import contract
import start
from start import SETTINGS
from tasks import together

app = asgi.strict(get_asgi_application())


@cache
def backend() -> Backend:
    """The one client, made by the first request: Django has no hook for the loop's start."""
    return Backend()


@web.get("")
async def index(request: HttpRequest) -> bytes:
    delay = contract.delay_from(query(request))
    return await backend().call(delay, request_id(request))


@web.get("fanout")
async def fanout(request: HttpRequest) -> bytes:
    number, delay = contract.fanout_from(query(request))
    ids = contract.call_ids(request_id(request), number)
    answers = await together(*[backend().call(delay, call_id) for call_id in ids])
    return contract.fanout_body(SETTINGS, delay, answers)


@web.get("composite")
async def composite(request: HttpRequest) -> bytes:
    delay, cycles = contract.composite_from(query(request))
    ids = contract.call_ids(request_id(request), contract.COMPOSITE_CALLS)

    async def branch(ids: list[str]) -> list[bytes]:
        answers = await together(*[backend().call(delay, call_id) for call_id in ids])
        contract.burn(cycles)
        return answers

    first = await backend().call(delay, ids[0])
    contract.burn(cycles)
    left, right = await together(branch(ids[1:6]), branch(ids[6:11]))
    contract.burn(cycles)
    last = await backend().call(delay, ids[11])
    contract.burn(cycles)
    return contract.composite_body(SETTINGS, delay, cycles, [first, *left, *right, last])


@web.get("cpu")
async def cpu(request: HttpRequest) -> bytes:
    return contract.cpu_body(query(request))


@web.get("json")
async def json(request: HttpRequest) -> bytes:
    delay, size = contract.json_from(query(request))
    answer = await backend().call(f"{delay}/{size}", request_id(request))
    return contract.json_body(SETTINGS, answer)


@web.get("health")
async def health(request: HttpRequest) -> bytes:
    return b'{"status":"ok"}'


@web.get("info")
async def info(request: HttpRequest) -> bytes:
    return start.info()
