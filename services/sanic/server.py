"""Sanic's own server, its start and its end; every answer is JSON, those to errors, too."""

import socket

from sanic import HTTPResponse, Request, Sanic, raw
from sanic.exceptions import SanicException
from sanic.handlers import ErrorHandler

import contract
import start


def answer(body: bytes, status: int = 200) -> HTTPResponse:
    return raw(body, status, content_type=contract.JSON)


async def problem(request: Request, error: contract.Problem) -> HTTPResponse:
    return answer(contract.error_body(error.message), error.status)


async def http_error(request: Request, error: SanicException) -> HTTPResponse:
    if error.status_code == 405 and request.raw_url == b"*":  # which Sanic takes for /
        return answer(contract.error_body(contract.NO_ROUTE), 404)
    message = contract.MESSAGES.get(error.status_code, str(error))
    response = answer(contract.error_body(message), error.status_code)
    response.headers.update(error.headers)
    return response


async def fault(request: Request, error: Exception) -> HTTPResponse:
    # Sanic stumbles over `//` in a path, and over a URL without one.
    if b"//" in request.raw_url.partition(b"?")[0]:
        return answer(contract.error_body(contract.NO_ROUTE), 404)
    ErrorHandler.log(request, error)
    return answer(contract.error_body(contract.INTERNAL), 500)


async def serve(listener: socket.socket, app: Sanic) -> None:
    """Answer until SIGTERM or SIGINT; then finish what is in flight."""
    app.config.MOTD = False
    app.config.KEEP_ALIVE_TIMEOUT = start.KEEP_ALIVE_S
    app.config.RESPONSE_TIMEOUT = 3600  # the default, 60 s, cuts off what waits in the queue
    app.exception(contract.Problem)(problem)
    app.exception(SanicException)(http_error)
    app.exception(Exception)(fault)
    # Not app.run(): it may lose a SIGTERM while it starts. README.md has the reasons.
    server = await app.create_server(
        sock=listener,
        ssl=start.tls(),
        backlog=start.BACKLOG,
        access_log=False,
        asyncio_server_kwargs={"start_serving": False},
    )
    await server.startup()
    await server.before_start()
    await server.start_serving()
    await start.sigterm()
    await server.before_stop()
    await server.close()

    def in_flight() -> int:
        for connection in list(server.connections):
            connection.close_if_idle()
        return len(server.connections)

    await start.drained(in_flight)
    await server.after_stop()
