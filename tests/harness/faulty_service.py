"""A service of threads that meets a failing backend well, or in a bad way on command.

    HOST=… PORT=… BACKEND_URL=… python faulty_service.py NAME WAY

`survives` answers 502 and 504 as CONTRACT.md says. `makes-up` answers 200 with a body of its own
where a call fails, `repeats` with the last right one, `passes` what the backend said, whatever
its status, `trims` a body after 1 MB. `hangs` has no timeout. `leaks` never gives back the slot of
a call that failed, `keeps` leaves a file open for it.
"""

from __future__ import annotations

import http.client
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

NAME, WAY = sys.argv[1:3]
ADDRESS = os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])
BACKEND = urlsplit(os.environ["BACKEND_URL"])
TIMEOUT_S = float(os.environ["BACKEND_TIMEOUT_S"])
CONCURRENCY = int(os.environ["CONCURRENCY"])
INFO = {
    "service": NAME,
    "workers": 1,
    "concurrency": CONCURRENCY,
    "slots": CONCURRENCY,
    "client_pool": CONCURRENCY,
    "backend_url": os.environ["BACKEND_URL"],
    "backend_timeout_s": TIMEOUT_S,
    "gil": True,
    "versions": {"python": sys.version.split()[0]},
}
slots = threading.Semaphore(CONCURRENCY)
last = b"{}"
files: list[int] = []


def call(delay: str, request_id: str) -> bytes:
    """The backend's answer; OSError or HTTPException where there is none, or another status."""
    timeout_s = None if WAY == "hangs" else TIMEOUT_S
    connection = http.client.HTTPConnection(BACKEND.hostname or "", BACKEND.port, timeout=timeout_s)
    try:
        connection.request("GET", f"/delay/{delay}", headers={"X-Request-ID": request_id})
        response = connection.getresponse()
        body = response.read(1_000_000) if WAY == "trims" else response.read()
        if response.status != 200 and WAY != "passes":
            raise http.client.HTTPException(f"status {response.status}")
        return body
    finally:
        connection.close()


def answer(delay: str, request_id: str) -> tuple[int, bytes]:
    """Status and body for a request that waits for the backend."""
    global last
    slots.acquire()
    try:
        last = body = call(delay, request_id)
    except (OSError, http.client.HTTPException) as error:
        if WAY != "leaks":
            slots.release()
        if WAY == "keeps":
            files.append(os.open(os.devnull, os.O_RDONLY))
        if WAY == "makes-up":
            return 200, json.dumps({"delay": float(delay), "id": request_id}).encode()
        if WAY == "repeats":
            return 200, last
        return 504 if isinstance(error, TimeoutError) else 502, b'{"error":"the backend failed"}'
    slots.release()
    return 200, body


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer one request."""
        parts = urlsplit(self.path)
        if parts.path == "/health":
            status, body = 200, b'{"status":"ok"}'
        elif parts.path == "/info":
            status, body = 200, json.dumps(INFO).encode()
        else:
            delay = parse_qs(parts.query)["delay"][0]
            status, body = answer(delay, self.headers.get("X-Request-ID", ""))
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


class Server(ThreadingHTTPServer):
    """Takes as many connections at once as a test opens."""

    request_queue_size = 1000
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Callers hang up: nothing to tell."""


Server(ADDRESS, Handler).serve_forever()
