"""HTTP that ASGI servers pass on as they got it, put right before an application sees it."""

from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

import contract

Application = Callable[[dict, Callable, Callable], Awaitable[None]]


def strict(app: Application) -> Application:
    """`app` for requests of HTTP/1.0 and 1.1, with a path where the target was a whole URL.

    httptools takes a request line without a version for HTTP/0.9, and uvicorn serves it;
    gunicorn makes a path of `http://host/path`.
    """

    async def checked(scope: dict, receive: Callable, send: Callable) -> None:
        if scope["type"] == "websocket":  # Django would raise
            await send({"type": "websocket.close"})
            return
        if scope["type"] == "http":
            if scope["http_version"] not in ("1.1", "1.0"):
                await _refuse(send)
                return
            if "://" in scope["path"]:
                scope["path"] = urlsplit(scope["path"]).path or "/"
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
