"""FastAPI with `def` handlers: a thread of Starlette's pool waits.

While the backend is slow, the thread that asked it waits, and the event loop goes on.
Requests for which the pool has no thread free wait in its queue.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from answers import ERRORS, answer, query, request_id
from anyio.to_thread import current_default_thread_limiter
from client import Backend
from fastapi import FastAPI, Request, Response

import asgi
import contract
import start
from pools import branches, calls, together
from start import SETTINGS

backend = Backend()


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = SETTINGS.concurrency
    yield


# No routes but those below.
app = FastAPI(
    lifespan=lifespan, exception_handlers=ERRORS, openapi_url=None, redirect_slashes=False
)
app.add_middleware(asgi.strict)


@app.api_route("/", methods=["GET", "HEAD"])
def index(request: Request) -> Response:
    delay = contract.delay_from(query(request))
    return answer(backend.call(delay, request_id(request)))


@app.api_route("/fanout", methods=["GET", "HEAD"])
def fanout(request: Request) -> Response:
    number, delay = contract.fanout_from(query(request))
    ids = contract.call_ids(request_id(request), number)
    answers = together(calls, partial(backend.call, delay), ids)
    return answer(contract.fanout_body(SETTINGS, delay, answers))


@app.api_route("/composite", methods=["GET", "HEAD"])
def composite(request: Request) -> Response:
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
    return answer(contract.composite_body(SETTINGS, delay, cycles, [first, *left, *right, last]))


@app.api_route("/cpu", methods=["GET", "HEAD"])
def cpu(request: Request) -> Response:
    return answer(contract.cpu_body(query(request)))


@app.api_route("/json", methods=["GET", "HEAD"])
def json(request: Request) -> Response:
    delay, size = contract.json_from(query(request))
    answered = backend.call(f"{delay}/{size}", request_id(request))
    return answer(contract.json_body(SETTINGS, answered))


@app.api_route("/health", methods=["GET", "HEAD"])
async def health() -> Response:
    return answer(b'{"status":"ok"}')


@app.api_route("/info", methods=["GET", "HEAD"])
async def info() -> Response:
    return answer(start.info())
