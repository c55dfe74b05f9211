"""Many connections at once: held idle beside a request, and cut into by SIGTERM."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack, suppress
from urllib.parse import urlsplit

from loadtests.catalog import BACKEND
from loadtests.runtime.process import ServiceProcess, fetch

ANSWER_S = 15.0  # for one request beside those that are held
IN_FLIGHT, DELAY = 100, "5"
END_S = 40.0  # after SIGTERM: 30 s for what is in flight, and some more
ENDS_WELL = (0, -signal.SIGTERM, 128 + signal.SIGTERM)  # several servers end by the signal


def held(url: str, path: str, number: int) -> Iterator[str]:
    """Findings with so many connections open, each of which was answered once and is kept."""
    address = urlsplit(url)
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()
    with ExitStack() as stack:
        for count in range(number):
            try:
                one = socket.create_connection((address.hostname, address.port), ANSWER_S)
                stack.enter_context(one)
                one.sendall(request)
                said = one.recv(4096)
            except OSError as error:
                yield f"connection {count + 1:,} of {number:,} held was not served: {error}"
                return
            if not said.startswith(b"HTTP/1.1 200"):
                yield f"connection {count + 1:,} of {number:,} held was answered {said[:40]!r}"
                return
        try:
            status = fetch(url + path, timeout_s=ANSWER_S)[0]
        except OSError as error:
            yield f"a request beside {number:,} held connections was not answered: {error}"
        else:
            if status != 200:
                yield f"a request beside {number:,} held connections was answered {status}"


def drained(process: ServiceProcess, name: str, backend_url: str) -> Iterator[str]:
    """Findings of SIGTERM while requests are in flight: each must be answered, then it ends."""
    is_backend = name == BACKEND
    path = f"/delay/{DELAY}" if is_backend else f"/?delay={DELAY}"
    stats_url = process.url if is_backend else backend_url
    slots = IN_FLIGHT if is_backend else json.loads(fetch(f"{process.url}/info")[1])["slots"]
    number = min(IN_FLIGHT, slots)

    def ask(at: int) -> str:
        identity = f"drain-{at}"
        headers = {"X-Request-ID": identity}
        try:
            status, body = fetch(process.url + path, headers=headers, timeout_s=END_S)
        except OSError as error:
            return f"lost: {error or type(error).__name__}"
        if status != 200 or json.loads(body).get("id") != identity:
            return f"answered {status} {body[:80]!r}"
        return ""

    with ThreadPoolExecutor(number) as pool:
        asked = [pool.submit(ask, at) for at in range(number)]
        deadline = time.monotonic() + ANSWER_S
        while json.loads(fetch(f"{stats_url}/stats")[1])["in_flight"] < number:
            if time.monotonic() > deadline or all(one.done() for one in asked):
                yield f"{number} requests were never in flight at once"
                break
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGTERM)
        wrong = [said for one in as_completed(asked) if (said := one.result())]
    if wrong:
        yield f"SIGTERM: of {number} requests in flight {len(wrong)} were {wrong[0]}"
    deadline = time.monotonic() + END_S
    while process.returncode is None and time.monotonic() < deadline:
        time.sleep(0.02)
    if process.returncode not in ENDS_WELL:
        yield f"SIGTERM: its exit status is {process.returncode}"
    with suppress(OSError):
        fetch(f"{process.url}/health", timeout_s=1)
        yield "SIGTERM: something still answers on its port"
