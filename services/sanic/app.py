"""Sanic on its own server and uvloop: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`;
the one event loop of the process goes on with all the others.
"""

import server
import uvloop
from client import Backend
from sanic import HTTPResponse, Request, Sanic

import contract
import start
from start import SETTINGS
from tasks import together

app = Sanic("service", strict_slashes=True)


@app.route("/", methods=["GET", "HEAD"])
async def index(request: Request) -> HTTPResponse:
    delay = contract.delay_from(request.query_string)
    return server.answer(await backend.call(delay, request_id(request)))


@app.route("/fanout", methods=["GET", "HEAD"])
async def fanout(request: Request) -> HTTPResponse:
    number, delay = contract.fanout_from(request.query_string)
    ids = contract.call_ids(request_id(request), number)
    answers = await together(*[backend.call(delay, call_id) for call_id in ids])
    return server.answer(contract.fanout_body(SETTINGS, delay, answers))


@app.route("/composite", methods=["GET", "HEAD"])
async def composite(request: Request) -> HTTPResponse:
    delay, cycles = contract.composite_from(request.query_string)
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
    answers = [first, *left, *right, last]
    return server.answer(contract.composite_body(SETTINGS, delay, cycles, answers))


@app.route("/cpu", methods=["GET", "HEAD"])
async def cpu(request: Request) -> HTTPResponse:
    return server.answer(contract.cpu_body(request.query_string))


@app.route("/json", methods=["GET", "HEAD"])
async def json(request: Request) -> HTTPResponse:
    delay, size = contract.json_from(request.query_string)
    answer = await backend.call(f"{delay}/{size}", request_id(request))
    return server.answer(contract.json_body(SETTINGS, answer))


@app.route("/health", methods=["GET", "HEAD"])
async def health(request: Request) -> HTTPResponse:
    return server.answer(b'{"status":"ok"}')


@app.route("/info", methods=["GET", "HEAD"])
async def info(request: Request) -> HTTPResponse:
    return server.answer(start.info())


def request_id(request: Request) -> str:
    given = request.headers.getall("X-Request-ID", None)
    return contract.checked_request_id(",".join(given) if given else None)


@app.before_server_start
async def open_backend(app: Sanic) -> None:
    global backend
    backend = Backend()


@app.after_server_stop
async def close_backend(app: Sanic) -> None:
    await backend.close()


if __name__ == "__main__":
    start.run(lambda listener: uvloop.run(server.serve(listener, app)))
