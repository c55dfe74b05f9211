"""Flask: while the backend is slow, a thread or a greenlet waits, and all others go on.

The code is the same for both and does not show which it is: `serve` decides.
"""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from functools import partial

from client import Backend
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

import contract
import start
from start import SETTINGS

INFO = start.info()

backend = Backend()
# A request's calls at once. Branches wait for calls: in one pool they could take all its threads.
calls = ThreadPoolExecutor(SETTINGS.concurrency)
branches = ThreadPoolExecutor(SETTINGS.concurrency)

app = Flask(__name__, static_folder=None)
app.url_map.merge_slashes = False  # no redirects: a path is a route or a 404
app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False


@app.get("/")
def index() -> Response:
    delay = contract.delay_from(query())
    return answer(backend.call(delay, request_id()))


@app.get("/fanout")
def fanout() -> Response:
    number, delay = contract.fanout_from(query())
    ids = contract.call_ids(request_id(), number)
    answers = together(calls, partial(backend.call, delay), ids)
    return answer(contract.fanout_body(SETTINGS, delay, answers))


@app.get("/composite")
def composite() -> Response:
    delay, cycles = contract.composite_from(query())
    ids = contract.call_ids(request_id(), contract.COMPOSITE_CALLS)

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
    answers = [first, *left, *right, last]
    return answer(contract.composite_body(SETTINGS, delay, cycles, answers))


@app.get("/cpu")
def cpu() -> Response:
    cycles = contract.cycles_from(query())
    contract.burn(cycles)
    return answer(contract.cpu_body(cycles))


@app.get("/health")
def health() -> Response:
    return answer(b'{"status":"ok"}')


@app.get("/info")
def info() -> Response:
    return answer(INFO)


def together(pool: Executor, work: Callable, parts: list) -> list:
    """Run `work` on all parts, the first in this thread; raises after the others have ended."""
    others = [pool.submit(work, part) for part in parts[1:]]
    try:
        return [work(parts[0]), *(other.result() for other in others)]
    finally:
        wait([other for other in others if not other.cancel()])


def query() -> str:
    return request.query_string.decode("latin-1")


def request_id() -> str:
    return contract.checked_request_id(request.headers.get("X-Request-ID"))


def answer(body: bytes, status: int = 200) -> Response:
    return Response(body, status, content_type=contract.JSON)


@app.errorhandler(contract.Problem)
def problem(error: contract.Problem) -> Response:
    return answer(contract.error_body(error.message), error.status)


@app.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    response = error.get_response()
    response.data = contract.error_body(contract.MESSAGES.get(error.code, contract.INTERNAL))
    response.content_type = contract.JSON
    return response
