"""Flask: while the backend is slow, a thread or a greenlet waits, and all others go on.

The code is the same for both and does not show which it is: `serve` decides.
"""

from functools import partial
from importlib import import_module

from answers import answer, app, ignore_upgrades, query, request_id
from client import Backend
from flask import Response

import contract
import start
from pools import branches, calls, together
from start import SETTINGS

backend = Backend()


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
    return answer(contract.composite_body(SETTINGS, delay, cycles, [first, *left, *right, last]))


@app.get("/cpu")
def cpu() -> Response:
    return answer(contract.cpu_body(query()))


@app.get("/json")
def json() -> Response:
    delay, size = contract.json_from(query())
    answered = backend.call(f"{delay}/{size}", request_id())
    return answer(contract.json_body(SETTINGS, answered))


@app.get("/health")
def health() -> Response:
    return answer(b'{"status":"ok"}')


@app.get("/info")
def info() -> Response:
    return answer(start.info())


for exhibit in ("chat", "file"):  # files of their own, for services that offer the route
    if start.offers(f"/{exhibit}"):
        app.register_blueprint(import_module(exhibit).blueprint)
ignore_upgrades()
