"""aiohttp on uvloop: a coroutine waits.

While the backend is slow, the coroutine that asked it is suspended at `await`;
the one event loop of the process goes on with all the others.
"""

import socket

import chat
import file
import server
import uvloop
from aiohttp import web
from client import Backend

import contract
import start
from start import SETTINGS
from tasks import together

routes = web.RouteTableDef()


@routes.get("/")
async def index(request: web.BaseRequest) -> web.Response:
    delay = contract.delay_from(request.rel_url.raw_query_string)
    return server.answer(await backend.call(delay, request_id(request)))


@routes.get("/fanout")
async def fanout(request: web.BaseRequest) -> web.Response:
    number, delay = contract.fanout_from(request.rel_url.raw_query_string)
    ids = contract.call_ids(request_id(request), number)
    answers = await together(*[backend.call(delay, call_id) for call_id in ids])
    return server.answer(contract.fanout_body(SETTINGS, delay, answers))


@routes.get("/composite")
async def composite(request: web.BaseRequest) -> web.Response:
    delay, cycles = contract.composite_from(request.rel_url.raw_query_string)
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


@routes.get("/cpu")
async def cpu(request: web.BaseRequest) -> web.Response:
    return server.answer(contract.cpu_body(request.rel_url.raw_query_string))


@routes.get("/json")
async def json(request: web.BaseRequest) -> web.Response:
    delay, size = contract.json_from(request.rel_url.raw_query_string)
    answer = await backend.call(f"{delay}/{size}", request_id(request))
    return server.answer(contract.json_body(SETTINGS, answer))


@routes.get("/health")
async def health(request: web.BaseRequest) -> web.Response:
    return server.answer(b'{"status":"ok"}')


@routes.get("/info")
async def info(request: web.BaseRequest) -> web.Response:
    return server.answer(start.info())


routes.get("/chat")(chat.chat)
routes.get("/file")(file.file)


def request_id(request: web.BaseRequest) -> str:
    given = request.headers.getall("X-Request-ID", None)
    return contract.checked_request_id(",".join(given) if given else None)


async def serve(listener: socket.socket) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    global backend
    backend = Backend()
    async with file.reading():
        await server.serve(listener, routes)
    await backend.close()


if __name__ == "__main__":
    start.run(lambda listener: uvloop.run(serve(listener)))
