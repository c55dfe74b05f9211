"""FastAPI on uvicorn: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`;
the one event loop of the process goes on with all the others.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from answers import ERRORS, answer, query, request_id
from client import Backend
from fastapi import FastAPI, Request, Response

import asgi
import contract
import start
from start import SETTINGS
from tasks import together


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    global backend
    backend = Backend()
    yield
    await backend.close()


# No routes but those below.
app = FastAPI(
    lifespan=lifespan, exception_handlers=ERRORS, openapi_url=None, redirect_slashes=False
)
app.add_middleware(asgi.strict)


@app.api_route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> Response:
    delay = contract.delay_from(query(request))
    return answer(await backend.call(delay, request_id(request)))


@app.api_route("/fanout", methods=["GET", "HEAD"])
async def fanout(request: Request) -> Response:
    number, delay = contract.fanout_from(query(request))
    ids = contract.call_ids(request_id(request), number)
    answers = await together(*[backend.call(delay, call_id) for call_id in ids])
    return answer(contract.fanout_body(SETTINGS, delay, answers))


@app.api_route("/composite", methods=["GET", "HEAD"])
async def composite(request: Request) -> Response:
    delay, cycles = contract.composite_from(query(request))
    ids = contract.call_ids(request_id(request), contract.COMPOSITE_CALLS)

    async def branch(ids: list[str]) -> list[bytes]:
        answers = await together(*[backend.call(delay, call_id) for call_id in ids])
        contract.burn(cycles)
        return answers

    first = await backend.call(delay, ids[0])
    contract.burn(cycles)
    left, right = await together(branch(ids[1:6]), branch(ids[6:11]))
    contract.burn(cycles)
    last = await backend.call(delay, ids[11])
    contract.burn(cycles)
    return answer(contract.composite_body(SETTINGS, delay, cycles, [first, *left, *right, last]))


@app.api_route("/cpu", methods=["GET", "HEAD"])
async def cpu(request: Request) -> Response:
    return answer(contract.cpu_body(query(request)))


@app.api_route("/json", methods=["GET", "HEAD"])
async def json(request: Request) -> Response:
    delay, size = contract.json_from(query(request))
    answered = await backend.call(f"{delay}/{size}", request_id(request))
    return answer(contract.json_body(SETTINGS, answered))


@app.api_route("/health", methods=["GET", "HEAD"])
async def health() -> Response:
    return answer(b'{"status":"ok"}')


@app.api_route("/info", methods=["GET", "HEAD"])
async def info() -> Response:
    return answer(start.info())
