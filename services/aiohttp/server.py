"""aiohttp's `web.Application` and its runner; every answer is JSON, those to errors, too."""

import logging
import socket
from collections.abc import Awaitable, Callable

import chat
from aiohttp import web

import contract
import start


def answer(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": contract.JSON})


@web.middleware
async def errors(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    if request.version.major != 1:  # aiohttp's parser takes 0.9 and 2.0, too
        request.transport.abort()
        return web.Response()  # which nobody gets
    try:
        return await handler(request)
    except contract.Problem as problem:
        return answer(contract.error_body(problem.message), problem.status)
    except web.HTTPException as error:
        message = contract.MESSAGES.get(error.status, error.reason)
        response = answer(contract.error_body(message), error.status)
        if "Allow" in error.headers:
            response.headers["Allow"] = error.headers["Allow"]
        return response
    except ConnectionError:  # the client hung up: nobody to answer
        raise
    except Exception:
        logging.exception("%s %s", request.method, request.path)
        return answer(contract.error_body(contract.INTERNAL), 500)


async def serve(listener: socket.socket, routes: web.RouteTableDef) -> None:
    app = web.Application(middlewares=[errors])
    app.add_routes(routes)
    app.on_shutdown.append(chat.close_all)
    runner = web.AppRunner(
        app, access_log=None, keepalive_timeout=start.KEEP_ALIVE_S, shutdown_timeout=start.DRAIN_S
    )
    await runner.setup()
    await web.SockSite(runner, listener, backlog=start.BACKLOG, ssl_context=start.tls()).start()
    await start.sigterm()
    await runner.cleanup()
