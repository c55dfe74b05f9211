"""aiohttp's low-level `web.Server`: one handler for all requests, and a table of the routes.

An Application's router and middleware would cost each request time.
"""

import logging
import socket

import chat
from aiohttp import web

import contract
import start


def answer(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": contract.JSON})


def problem(status: int, message: str) -> web.Response:
    response = answer(contract.error_body(message), status)
    if status == 405:
        response.headers["Allow"] = "GET, HEAD"
    return response


async def serve(listener: socket.socket, routes: web.RouteTableDef) -> None:
    handlers = {route.path: route.handler for route in routes}

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        """Find the handler, and turn what it raises into an answer."""
        handler = handlers.get(request.rel_url.raw_path)
        if request.version.major != 1:  # aiohttp's parser takes 0.9 and 2.0, too
            request.transport.abort()
            return web.Response()  # which nobody gets
        if not handler:
            return problem(404, contract.NO_ROUTE)
        if request.method not in ("GET", "HEAD"):
            return problem(405, contract.WRONG_METHOD)
        try:
            return await handler(request)
        except contract.Problem as error:
            return problem(error.status, error.message)
        except (web.HTTPException, ConnectionError):  # no upgrade; a client that hung up
            raise
        except Exception:
            logging.exception("%s %s", request.method, request.path)
            return problem(500, contract.INTERNAL)

    server = web.Server(handle, access_log=None, keepalive_timeout=start.KEEP_ALIVE_S)
    runner = web.ServerRunner(server, shutdown_timeout=start.DRAIN_S)
    await runner.setup()
    site = web.SockSite(runner, listener, backlog=start.BACKLOG)
    await site.start()
    await start.sigterm()
    await site.stop()
    await chat.close_all()
    await runner.cleanup()
