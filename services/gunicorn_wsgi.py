"""gunicorn's settings wherever it serves WSGI: `gunicorn --config python:gunicorn_wsgi …`."""

from gunicorn.arbiter import Arbiter
from gunicorn.http.message import Request
from gunicorn.workers.base import Worker

import start
from start import SETTINGS

host = f"[{SETTINGS.host}]" if ":" in SETTINGS.host else SETTINGS.host
bind = f"{host}:{SETTINGS.port}"
certfile, keyfile = start.CERTIFICATE, start.KEY
workers = SETTINGS.workers
threads = SETTINGS.concurrency  # of a gthread worker: its default is one
backlog = start.BACKLOG
# Connections, not requests: idle ones count, and one above it waits until another is closed.
worker_connections = 20_000
forwarded_allow_ips = ""  # no client is a proxy, whose SCRIPT_NAME would be believed
keepalive = start.KEEP_ALIVE_S
graceful_timeout = start.DRAIN_S
# No worker is killed for being busy: a request may take minutes here, and a thousand that
# compute leave the thread that would say so waiting for the GIL.
timeout = 0
loglevel = "warning"
control_socket_disable = True  # nothing is written outside the process


def on_starting(arbiter: Arbiter) -> None:
    """End here, with one line, where the service cannot be what the settings say."""
    start.listen().close()  # gunicorn would try five times, and not name the variable
    if arbiter.cfg.worker_class_str == "gthread":
        start.check_threads()


def ssl_context(config: object, default: object) -> object:
    """The same as for all others, in place of gunicorn's own."""
    return start.tls()


def pre_request(worker: Worker, request: Request) -> None:
    """Have the answer say `Connection: close` where the connection is to end after it.

    gunicorn itself takes the header for one word where it is a list, and closes without a
    word where a body comes late or is large. No route here reads one.
    """
    for name, value in request.headers:
        if name == "CONNECTION":
            if "close" in [option.strip() for option in value.lower().split(",")]:
                request.force_close()
        elif name == "TRANSFER-ENCODING" or (name == "CONTENT-LENGTH" and value != "0"):
            request.force_close()
