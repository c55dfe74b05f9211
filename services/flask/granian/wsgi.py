"""The application as Granian is given it."""

import signal
from collections.abc import Callable, Iterable

from app import app

# Where another thread gets SIGTERM, Granian's main thread, which waits for it, does not wake
# up: one busy worker in five. So it is woken once a second.
signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 1, 1)


def application(environ: dict, start_response: Callable) -> Iterable[bytes]:
    """Say `Connection: close` where a request has a body: Granian closes, and does not say so.

    No route here reads one, and of an unread body it takes what has arrived with the head.
    """
    if environ.get("CONTENT_LENGTH", "0") == "0" and "HTTP_TRANSFER_ENCODING" not in environ:
        return app(environ, start_response)

    def start_last_response(status: str, headers: list, *error: object) -> Callable:
        return start_response(status, [*headers, ("Connection", "close")], *error)

    return app(environ, start_last_response)
