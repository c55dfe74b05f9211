"""A service in the sense of CONTRACT.md, without any package, and with a fault on command.

    HOST=… PORT=… BACKEND_URL=… python fake_service.py NAME FAULT

With TLS_CERTIFICATE and TLS_KEY it speaks TLS.

Faults before it serves: `exits`, `deaf` (never listens). While it serves:
`skips` (asks the backend for no delay), `ignores` (asks no backend), `garbles`
(another body), `mixes` (another id, but not on the first requests), `skimps`
(makes one call where it claims twelve), `misinforms` (`/info` lacks a key),
`poses` (`/info` names another service), `dies` (after DIES_AFTER requests),
`queues` (20 ms for each, one after the other), `neglects` (the twelfth connection, for
NEGLECT_S), `full` (refuses the 20th connection), `closes` (idle connections, after a
while), `drops` (every fourth answer, and its connection), `abandons` (the same
without asking the backend), `chokes` (on heavy requests, after the first), `relays` (JSON
as it came from the backend, but not on the first requests). In its
chat: `forgets` (to send to the last one), `repeats`, `echoes` (to the sender). At
its end: `stubborn` (ignores SIGTERM), `parent` (leaves a child), `holder` (leaves a child
that holds the port, in a session of its own).
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import contract

NAME, FAULT = sys.argv[1:3]
HOST, PORT = os.environ.get("HOST", "127.0.0.1"), int(os.environ["PORT"])
BACKEND_URL = os.environ["BACKEND_URL"]
DIES_AFTER = 30
NEGLECT_S = 1.5
INFO = {
    "service": "another" if FAULT == "poses" else NAME,
    "workers": int(os.environ["WORKERS"]),
    "concurrency": int(os.environ["CONCURRENCY"]),
    "slots": int(os.environ["CONCURRENCY"]),
    "client_pool": 1000,
    "backend_url": BACKEND_URL,
    "backend_timeout_s": float(os.environ["BACKEND_TIMEOUT_S"]),
    "gil": True,
    "versions": {"python": sys.version.split()[0]},
}
SETTINGS = contract.settings(os.environ)
served = 0
connections = 0
members: list[asyncio.StreamWriter] = []
at_work = asyncio.Lock()


class Backend:
    """One connection to the backend, opened when it is first needed."""

    streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def __init__(self) -> None:
        self.others: dict[int, Backend] = {}

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
    asked = dict(parse_qsl(urlsplit(path).query))
    match urlsplit(path).path:
        case "/cpu":
            burnt = contract.cpu_body(urlsplit(path).query)
            choked = FAULT == "chokes" and served > DIES_AFTER
            return b"{}" if choked else burnt
        case "/json":
            answer = await backend.ask(f"{asked['delay']}/{asked['size']}", request_id)
            relayed = FAULT == "relays" and served > DIES_AFTER
            return answer if relayed else contract.json_body(SETTINGS, answer)
        case "/file":
            whole = contract.file_block() * 16
            return whole[: int(asked["size"])]
        case "/composite":
            return await composite(asked["delay"], int(asked["cycles"]), request_id, backend)
    return await one_call(asked["delay"], request_id, backend)


async def one_call(delay: str, request_id: str, backend: Backend) -> bytes:
    """The body of `/`."""
    right = f'{{"delay":{delay},"id":"{request_id}"}}'.encode()
    if FAULT == "ignores":
        await asyncio.sleep(float(delay))
        return right
    if FAULT == "skips":
        await backend.ask("0", request_id)
        return right
    if FAULT == "queues":
        async with at_work:
            await asyncio.sleep(0.02)
    answer = await backend.ask(delay, request_id)
    if FAULT == "garbles":
        return answer.replace(b"delay", b"waited")
    if FAULT == "mixes" and served > DIES_AFTER:
        return answer.replace(request_id.encode(), b"0-0")
    return answer


async def give_up(path: str, request_id: str, backend: Backend) -> None:
    """Take as long as an answer would, with the backend or without it."""
    global served
    if FAULT == "drops":
        await body(path, request_id, backend)
    else:
        served += 1
        await asyncio.sleep(float(dict(parse_qsl(urlsplit(path).query))["delay"]))


async def composite(delay: str, cycles: int, request_id: str, backend: Backend) -> bytes:
    """The body of `/composite`, with a connection for each of the calls made at once."""
    ids = contract.call_ids(request_id, contract.COMPOSITE_CALLS)
    if FAULT == "skimps":
        await backend.ask(delay, request_id)
        answers = [json.dumps({"id": one}).encode() for one in ids]
        await asyncio.sleep(2 * float(delay))
    else:
        first = await backend.ask(delay, ids[0])
        others = [backend.others.setdefault(one, Backend()) for one in range(10)]
        calls = zip(others, ids[1:-1], strict=True)
        middle = await asyncio.gather(*(other.ask(delay, one) for other, one in calls))
        answers = [first, *middle, await backend.ask(delay, ids[-1])]
    return contract.composite_body(BACKEND_URL, delay, cycles, answers)


async def chat(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, key: str) -> None:
    """A WebSocket whose messages, of at most 125 bytes, go to all others."""
    guid = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1((key + guid).encode()).digest()).decode()
    head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Accept: {accept}\r\n\r\n".encode())
    members.append(writer)
    try:
        while True:
            _, length = await reader.readexactly(2)
            mask = await reader.readexactly(4)
            masked = await reader.readexactly(length & 0x7F)
            text = bytes(byte ^ mask[i % 4] for i, byte in enumerate(masked))
            others = [member for member in members if member is not writer]
            if FAULT == "forgets" and len(others) > 1:
                others.pop()
            if FAULT == "echoes":
                others.append(writer)
            times = 2 if FAULT == "repeats" and len(others) > 1 else 1
            for member in others:
                member.write((bytes((0x81, len(text))) + text) * times)
    finally:
        members.remove(writer)


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer what comes over one connection."""
    global connections
    connections += 1
    if FAULT == "full" and connections >= 20:
        writer.close()
        return
    if FAULT == "neglects" and connections == 12:
        await asyncio.sleep(NEGLECT_S)
    backend = Backend()
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            request_line, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            split = (line.split(": ", 1) for line in lines if line)
            fields = {name.lower(): value for name, value in split}
            path = request_line.split(" ")[1]
            if "sec-websocket-key" in fields:
                await chat(reader, writer, fields["sec-websocket-key"])
            if path == "/health" and FAULT == "closes":
                asyncio.get_running_loop().call_later(0.5, writer.close)
            request_id = fields.get("x-request-id", "")
            if FAULT in ("drops", "abandons") and path.startswith("/?") and served % 4 == 3:
                await give_up(path, request_id, backend)
                break
            answer = await body(path, request_id, backend)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
    writer.close()
    for one in (backend, *backend.others.values()):
        if one.streams:
            one.streams[1].close()


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
        Path("child.pid").write_text(str(child.pid), encoding="utf-8")
    end = asyncio.Event()
    ignore = FAULT == "stubborn"
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, (lambda: None) if ignore else end.set
    )
    context = None
    if certificate := os.environ.get("TLS_CERTIFICATE"):
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, os.environ["TLS_KEY"])
    async with await asyncio.start_server(serve, sock=listener, ssl=context):
        await end.wait()
        os._exit(0)


asyncio.run(main())
