"""Flask in sync workers, an event loop inside each: the workaround of 2013.

While the backend is slow, the process waits: its loop runs until all calls of the
one request it serves are done. They wait at once; the next request waits outside.
"""

import asyncio
import functools
from collections.abc import Callable, Coroutine

import uvloop
from answers import answer, app, ignore_upgrades, query, request_id
from client import Backend
from flask import Response

import contract
import start
from start import SETTINGS
from tasks import together

# Makes its loop when it is first used, in the worker, and keeps it: with the
# loop, the connections to the backend outlive a request.
runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
backend = functools.cache(Backend)  # the one of this process, made in its loop


@app.get("/")
def index() -> Response:
    delay, call_id = contract.delay_from(query()), request_id()
    return answer(wait_for(lambda: backend().call(delay, call_id)))


@app.get("/fanout")
def fanout() -> Response:
    number, delay = contract.fanout_from(query())
    ids = contract.call_ids(request_id(), number)
    answers = wait_for(lambda: together(*[backend().call(delay, call_id) for call_id in ids]))
    return answer(contract.fanout_body(SETTINGS, delay, answers))


@app.get("/composite")
def composite() -> Response:
    delay, cycles = contract.composite_from(query())
    ids = contract.call_ids(request_id(), contract.COMPOSITE_CALLS)

    async def branch(ids: list[str]) -> list[bytes]:
        answers = await together(*[backend().call(delay, call_id) for call_id in ids])
        contract.burn(cycles)
        return answers

    async def work() -> list[bytes]:
        first = await backend().call(delay, ids[0])
        contract.burn(cycles)
        left, right = await together(branch(ids[1:6]), branch(ids[6:11]))
        contract.burn(cycles)
        last = await backend().call(delay, ids[11])
        contract.burn(cycles)
        return [first, *left, *right, last]

    return answer(contract.composite_body(SETTINGS, delay, cycles, wait_for(work)))


@app.get("/cpu")
def cpu() -> Response:
    return answer(contract.cpu_body(query()))


@app.get("/health")
def health() -> Response:
    return answer(b'{"status":"ok"}')


@app.get("/info")
def info() -> Response:
    return answer(start.info())


def wait_for(work: Callable[[], Coroutine[None, None, object]]) -> object:
    """Run the loop until the work is done."""

    async def after_a_look() -> object:
        # The loop stood still since the last request. Let it see what happened
        # meanwhile: which idle connections the backend has closed.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return await work()

    return runner.run(after_a_look())


ignore_upgrades()
