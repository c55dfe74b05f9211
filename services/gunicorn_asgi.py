"""gunicorn's settings wherever it serves ASGI: `gunicorn --config python:gunicorn_asgi …`."""

# What is no other there than for WSGI; gunicorn reads the names.
from gunicorn.arbiter import Arbiter
from gunicorn.asgi.parser import CallbackRequest
from gunicorn.workers.base import Worker

import start
from gunicorn_wsgi import (  # noqa: F401
    backlog,
    bind,
    control_socket_disable,
    graceful_timeout,
    timeout,
    worker_connections,
    workers,
)

worker_class = "asgi"
preload_app = True  # a worker that still imports does not hear SIGTERM
asgi_loop = "uvloop"
keepalive = 15  # seconds that an idle connection holds up the end after SIGTERM
loglevel = "error"  # each answer to HEAD would be a warning


def on_starting(arbiter: Arbiter) -> None:
    start.listen().close()  # gunicorn would try five times, and not name the variable


def pre_request(worker: Worker, request: CallbackRequest) -> None:
    """Have the answer say `Connection: close`, and be the last one, where it would not say so.

    gunicorn keeps connections of HTTP/1.0 and says nothing, and closes without a word where
    a body comes late or is large. No route here reads one.
    """
    if request.version < (1, 1) or request.content_length or request.chunked:
        request.must_close = True
