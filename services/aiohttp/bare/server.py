"""aiohttp's low-level `web.Server`: one handler for all requests, and a table of the routes.

An Application's router and middleware would cost each request time.
"""

import asyncio
import logging
import socket
from typing import NoReturn

import chat
from aiohttp import web
from aiohttp.http_exceptions import BadHttpMethod, HttpProcessingError

import contract
import start


def answer(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers={"Content-Type": contract.JSON})


class Requests:
    """Routes and requests; a chat connection is none of the requests in flight."""

    def __init__(self, routes: web.RouteTableDef) -> None:
        self.handlers = {route.path: route.handler for route in routes}
        self.in_flight = 0
        self.stopping = False

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Find the handler, and turn what it raises into an answer."""
        handler = self.handlers.get(request.rel_url.raw_path)
        if self.stopping:
            return last(answer(contract.error_body(contract.SHUTTING_DOWN), 503))
        if request.version.major != 1:
            refuse(request.transport)
        if not handler:
            return answer(contract.error_body(contract.NO_ROUTE), 404)
        if request.method not in ("GET", "HEAD"):
            return wrong_method()
        self.in_flight += handler is not chat.chat
        try:
            return await handler(request)
        except contract.Problem as problem:
            return answer(contract.error_body(problem.message), problem.status)
        except (web.HTTPException, ConnectionError):  # no upgrade; a client that hung up
            raise
        except Exception:
            logging.exception("%s %s", request.method, request.path)
            return answer(contract.error_body(contract.INTERNAL), 500)
        finally:
            self.in_flight -= handler is not chat.chat


def refuse(transport: asyncio.Transport) -> NoReturn:
    """End a request without a version, or of HTTP/2: aiohttp's parser takes both as they are."""
    transport.write(b"HTTP/1.0 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    transport.close()
    raise ConnectionError


def wrong_method() -> web.Response:
    response = answer(contract.error_body(contract.WRONG_METHOD), 405)
    response.headers["Allow"] = "GET, HEAD"
    return response


def last(response: web.Response) -> web.Response:
    response.force_close()
    return response


class Connection(web.RequestHandler):
    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # The parser refuses methods that it has not heard of, as if they were no HTTP.
        if isinstance(exc, BadHttpMethod) and " HTTP/1." in exc.message:
            return last(wrong_method())
        if isinstance(exc, HttpProcessingError):  # the client's fault: no traceback in the log
            return last(answer(contract.error_body("malformed request"), status))
        return super().handle_error(request, status, exc, message)


class Server(web.Server):
    def __call__(self) -> Connection:
        return Connection(self, loop=self._loop, **self._kwargs)


async def serve(listener: socket.socket, routes: web.RouteTableDef) -> None:
    requests = Requests(routes)
    server = Server(requests.handle, access_log=None, keepalive_timeout=start.KEEP_ALIVE_S)
    runner = web.ServerRunner(server, shutdown_timeout=chat.CLOSE_S)
    await runner.setup()
    site = web.SockSite(runner, listener, backlog=start.BACKLOG)
    await site.start()
    await start.sigterm()
    await site.stop()
    requests.stopping = True
    await chat.close_all()
    await start.drained(lambda: requests.in_flight)
    await runner.cleanup()
