"""Quart on uvicorn, Flask's interface with `await`: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`;
the one event loop of the process goes on with all the others.
"""

import asyncio
from collections.abc import Coroutine

from client import Backend
from quart import Quart, Response, request
from werkzeug.exceptions import HTTPException

import asgi
import contract
import start
from start import SETTINGS

INFO = start.info()

app = Quart(__name__, static_folder=None)
app.url_map.merge_slashes = False  # no redirects: a path is a route or a 404
app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
app.asgi_app = asgi.strict(app.asgi_app)


@app.before_serving
async def connect() -> None:
    global backend
    backend = Backend()


@app.after_serving
async def disconnect() -> None:
    await backend.close()


@app.get("/")
async def index() -> Response:
    delay = contract.delay_from(query())
    return answer(await backend.call(delay, request_id()))


@app.get("/fanout")
async def fanout() -> Response:
    number, delay = contract.fanout_from(query())
    ids = contract.call_ids(request_id(), number)
    answers = await together(*[backend.call(delay, call_id) for call_id in ids])
    return answer(contract.fanout_body(SETTINGS, delay, answers))


@app.get("/composite")
async def composite() -> Response:
    delay, cycles = contract.composite_from(query())
    ids = contract.call_ids(request_id(), contract.COMPOSITE_CALLS)

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
    answers = [first, *left, *right, last]
    return answer(contract.composite_body(SETTINGS, delay, cycles, answers))


@app.get("/cpu")
async def cpu() -> Response:
    cycles = contract.cycles_from(query())
    contract.burn(cycles)
    return answer(contract.cpu_body(cycles))


@app.get("/health")
async def health() -> Response:
    return answer(b'{"status":"ok"}')


@app.get("/info")
async def info() -> Response:
    return answer(INFO)


async def together(*coroutines: Coroutine[None, None, object]) -> list:
    """All results, in order; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(coroutine) for coroutine in coroutines]
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


def query() -> str:
    return request.query_string.decode("latin-1")


def request_id() -> str:
    given = request.headers.getlist("X-Request-ID")
    return contract.checked_request_id(",".join(given) if given else None)


def answer(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type=contract.JSON)


@app.errorhandler(contract.Problem)
async def problem(error: contract.Problem) -> Response:
    return answer(contract.error_body(error.message), error.status)


@app.errorhandler(HTTPException)
async def http_error(error: HTTPException) -> Response:
    response = answer(
        contract.error_body(contract.MESSAGES.get(error.code, contract.INTERNAL)), error.code
    )
    response.headers.extend(h for h in error.get_headers() if h[0] == "Allow")
    return response
