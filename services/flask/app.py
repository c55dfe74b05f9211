"""Flask: while the backend is slow, a thread or a greenlet waits, and all others go on.

The code is the same for both and does not show which it is: `serve` decides.
"""

from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor, wait
from functools import partial
from importlib import import_module

from answers import answer, app, ignore_upgrades, query, request_id
from client import Backend
from flask import Response

import contract
import start
from start import SETTINGS

INFO = start.info()

backend = Backend()
# A request's calls at once. Branches wait for calls: in one pool they could take all its threads.
calls = ThreadPoolExecutor(start.helpers())
branches = ThreadPoolExecutor(start.helpers())


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


for exhibit in ("chat", "file"):  # files of their own, for services that offer the route
    if start.offers(f"/{exhibit}"):
        app.register_blueprint(import_module(exhibit).blueprint)
ignore_upgrades()
