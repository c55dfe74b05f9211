"""HTTP that ASGI servers pass on as they got it, put right before an application sees it."""

from collections.abc import Awaitable, Callable

import contract

Application = Callable[[dict, Callable, Callable], Awaitable[None]]

BODY = (b"content-length", b"transfer-encoding")


def strict(app: Application) -> Application:
    """`app` for requests of HTTP/1.0 and 1.1, with a path where the target was a whole URL.

    httptools takes a request line without a version for HTTP/0.9, and uvicorn serves it;
    gunicorn makes a path of `http://host/path`, and a WebSocket of each request for one.
    gunicorn and Granian close a connection without a word whose request has a body that
    nobody read.
    """

    async def checked(scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        if scope["type"] == "http":
            if not scope["http_version"].startswith("1"):  # Granian's HTTP/1.0 is "1"
                await _refuse(send)
                return
            if not scope["path"].startswith("/") and "://" in scope["path"]:
                scope["path"] = "/" + scope["path"].partition("://")[2].partition("/")[2]
            if any(name in BODY for name, _ in scope["headers"]):
                receive = await _without_body(receive)
        await app(scope, receive, send)

    return checked


async def _refuse(send: Callable) -> None:
    body = contract.error_body("HTTP/1.1, please")
    headers = [
        (b"content-type", contract.JSON.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": 400, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _without_body(receive: Callable) -> Callable:
    """Read the body and forget it; returns a `receive` for what comes after it."""
    while (await receive()).get("more_body"):
        pass
    empty = [{"type": "http.request", "body": b"", "more_body": False}]

    async def after() -> dict:
        return empty.pop() if empty else await receive()

    return after
