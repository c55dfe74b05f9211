"""Flask, where a request has a thread or a greenlet of its own.

While the backend is slow, that one waits in `recv` and all others go on. The
code is the same for both and does not show which it is: `serve` decides.
"""

import gc
import http.client
import json
import os
import platform
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from urllib.parse import urlsplit

from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

import contract

SETTINGS = contract.settings(os.environ)
FOLDER = Path(__file__).parent
INFO = {
    "service": FOLDER.name,
    "workers": SETTINGS.workers,
    "concurrency": SETTINGS.concurrency,
    "slots": SETTINGS.workers * SETTINGS.concurrency,
    "client_pool": SETTINGS.concurrency,
    "backend_url": SETTINGS.backend_url,
    "backend_timeout_s": SETTINGS.backend_timeout_s,
    "versions": {"python": platform.python_version()}
    | {name: version(name) for name in (FOLDER / "requirements.in").read_text().split()},
}

# With the default of 5 ms a thousand runnable threads spend their time taking
# the GIL from each other. Each of ours soon waits for the network and gives it
# up by itself. (Greenlets share one thread: no effect.)
sys.setswitchinterval(0.1)

# One connection for each request in flight; the rest wait in line here.
slots = threading.BoundedSemaphore(SETTINGS.concurrency)
idle_connections: list[http.client.HTTPConnection] = []


def call_backend(delay: str, request_id: str) -> bytes:
    """The body of the backend's answer; raises BackendBroken or BackendSlow."""
    with slots:
        try:
            try:
                connection = idle_connections.pop()
            except IndexError:
                return exchange(connect(), delay, request_id)
            try:
                return exchange(connection, delay, request_id)
            except Stale:  # while it was in the pool: once more
                return exchange(connect(), delay, request_id)
        except TimeoutError:
            raise contract.BackendSlow(SETTINGS.backend_url, SETTINGS.backend_timeout_s) from None
        except (OSError, http.client.HTTPException):
            raise contract.BackendBroken(SETTINGS.backend_url) from None


class Stale(ConnectionError):
    """The backend closed the connection before anything came back."""


class BackendResponse(http.client.HTTPResponse):
    def begin(self) -> None:
        try:
            received = self.fp.peek(1)  # what it reads, begin() need not read again
        except ConnectionError:
            received = b""
        if not received:
            raise Stale
        super().begin()


def connect() -> http.client.HTTPConnection:
    address = urlsplit(SETTINGS.backend_url)
    connection = http.client.HTTPConnection(
        address.hostname, address.port, timeout=SETTINGS.backend_timeout_s
    )
    connection.response_class = BackendResponse
    return connection


def exchange(connection: http.client.HTTPConnection, delay: str, request_id: str) -> bytes:
    try:
        headers = {"X-Request-ID": request_id} if request_id else {}
        try:
            connection.request("GET", f"/delay/{delay}", headers=headers)
        except (BrokenPipeError, ConnectionResetError):
            raise Stale from None
        response = connection.getresponse()
        # Without a length a head that was cut short looks like a whole answer.
        if response.status != 200 or (response.length is None and not response.chunked):
            raise http.client.HTTPException
        body = response.read()
    except BaseException:
        connection.close()
        raise
    if connection.sock is not None:  # None where the backend asked to close it
        idle_connections.append(connection)
    return body


app = Flask(__name__, static_folder=None)  # which would be a route of its own
app.url_map.merge_slashes = False  # no redirects: a path is a route or a 404
app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False


@app.get("/")
def index() -> Response:
    delay = contract.delay_from(request.query_string.decode("latin-1"))
    request_id = contract.checked_request_id(request.headers.get("X-Request-ID"))
    return Response(call_backend(delay, request_id), content_type=contract.JSON)


@app.get("/health")
def health() -> Response:
    return Response(b'{"status":"ok"}', content_type=contract.JSON)


@app.get("/info")
def info() -> Response:
    return Response(json.dumps(INFO), content_type=contract.JSON)


@app.errorhandler(contract.Problem)
def problem(error: contract.Problem) -> Response:
    return Response(contract.error_body(error.message), error.status, content_type=contract.JSON)


@app.errorhandler(HTTPException)
def http_error(error: HTTPException) -> Response:
    messages = {404: contract.NO_ROUTE, 405: contract.WRONG_METHOD}
    message = messages.get(error.code, contract.INTERNAL)
    response = error.get_response()
    response.data = contract.error_body(message)
    response.content_type = contract.JSON
    return response


# Collect less often, and never look at what was there at the start: else
# everything that waits is walked again and again.
gc.collect()
gc.freeze()
gc.set_threshold(50_000, 20, 50)
