"""A service in the sense of CONTRACT.md, without any package, and with a fault on command.

    HOST=… PORT=… BACKEND_URL=… python fake_service.py NAME FAULT

Faults before it serves: `exits`, `deaf` (never listens). While it serves:
`skips` (asks the backend for no delay), `ignores` (asks no backend), `garbles`
(another body), `mixes` (another id, but not on the first requests), `misinforms`
(`/info` lacks a key), `poses` (`/info` names another service), `dies` (after
DIES_AFTER requests). At its end: `stubborn` (ignores SIGTERM), `parent` (leaves
a child), `holder` (leaves a child that holds the port, in a session of its own).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

NAME, FAULT = sys.argv[1:3]
HOST, PORT = os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])
BACKEND_URL = os.environ["BACKEND_URL"]
DIES_AFTER = 30
INFO = {
    "service": "another" if FAULT == "poses" else NAME,
    "workers": int(os.environ["WORKERS"]),
    "concurrency": int(os.environ["CONCURRENCY"]),
    "slots": int(os.environ["CONCURRENCY"]),
    "client_pool": 1000,
    "backend_url": BACKEND_URL,
    "backend_timeout_s": float(os.environ["BACKEND_TIMEOUT_S"]),
    "versions": {"python": sys.version.split()[0]},
}
served = 0


class Backend:
    """One connection to the backend, opened when it is first needed."""

    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, delay: str, request_id: str) -> bytes:
        """The body of its answer."""
        if self.streams is None:
            host, port = BACKEND_URL.removeprefix("http://").split(":")
            self.streams = await asyncio.open_connection(host, int(port))
        reader, writer = self.streams
        head = f"GET /delay/{delay} HTTP/1.1\r\nHost: backend\r\nX-Request-ID: {request_id}\r\n\r\n"
        writer.write(head.encode())
        answer = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"content-length: (\d+)", answer, re.I)
        assert length is not None
        return await reader.readexactly(int(length[1]))


async def body(path: str, request_id: str, backend: Backend) -> bytes:
    """The body of an answer."""
    global served
    if path == "/health":
        return b'{"status":"ok"}'
    if path == "/info":
        shown = {key: INFO[key] for key in INFO if FAULT != "misinforms" or key != "slots"}
        return json.dumps(shown).encode()
    served += 1
    if FAULT == "dies" and served > DIES_AFTER:
        print("the last words of a service", flush=True)
        os._exit(7)
    delay = path.partition("delay=")[2]
    right = f'{{"delay":{delay},"id":"{request_id}"}}'.encode()
    if FAULT == "ignores":
        await asyncio.sleep(float(delay))
        return right
    if FAULT == "skips":
        await backend.ask("0", request_id)
        return right
    answer = await backend.ask(delay, request_id)
    if FAULT == "garbles":
        return answer.replace(b"delay", b"waited")
    if FAULT == "mixes" and served > DIES_AFTER:
        return answer.replace(request_id.encode(), b"0-0")
    return answer


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what comes over one connection."""
    backend = Backend()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            fields = dict(line.lower().split(": ", 1) for line in lines if line)
            path = request_line.split(" ")[1]
            answer = await body(path, fields.get("x-request-id", ""), backend)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
    writer.close()
    if backend.streams:
        backend.streams[1].close()


async def main() -> None:
    """Serve until SIGTERM."""
    if FAULT == "exits":
        sys.exit("the last words of a service")
    if FAULT == "deaf":
        print("listens to nobody", flush=True)
        time.sleep(300)
    listener = socket.create_server((HOST, PORT), backlog=1000)
    if FAULT in ("parent", "holder"):
        kept = {"pass_fds": [listener.fileno()], "start_new_session": True}
        child = subprocess.Popen(["sleep", "300"], **(kept if FAULT == "holder" else {}))
        Path("child.pid").write_text(str(child.pid))
    end = asyncio.Event()
    ignore = FAULT == "stubborn"
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, (lambda: None) if ignore else end.set
    )
    async with await asyncio.start_server(serve, sock=listener):
        await end.wait()
        os._exit(0)


asyncio.run(main())
