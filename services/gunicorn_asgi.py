"""gunicorn's settings wherever it serves ASGI: `gunicorn --config python:gunicorn_asgi …`."""

from gunicorn.asgi.parser import CallbackRequest
from gunicorn.workers.base import Worker

# The same as for WSGI, but for what follows; gunicorn reads the names.
from gunicorn_wsgi import *  # noqa: F403

worker_class = "asgi"
preload_app = True  # a worker that still imports does not hear SIGTERM
asgi_loop = "uvloop"
keepalive = 15  # seconds that an idle connection holds up the end after SIGTERM
loglevel = "error"  # each answer to HEAD would be a warning


def pre_request(worker: Worker, request: CallbackRequest) -> None:
    # gunicorn keeps an HTTP/1.0 connection on demand, and does not say so.
    if request.version < (1, 1):
        request.must_close = True
