"""The parts that are alike in all services: settings, sockets, processes, signals, `/info`.

How a request waits is not here: that is what the services' own files show.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import multiprocessing.connection
import os
import platform
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path

import contract
import folders

BACKLOG = 4096  # as many may connect in one instant; the default of most servers is 100
DRAIN_S = 30  # that what is in flight at SIGTERM may take
KEEP_ALIVE_S = 75  # that a server keeps an idle connection of a client, where it can be told

NAME = os.environ.get("SERVICE") or sys.exit("try: python services/folders.py run NAME")
SETTINGS = contract.settings(os.environ)
CERTIFICATE, KEY = os.environ.get("TLS_CERTIFICATE"), os.environ.get("TLS_KEY")  # files


@cache
def info() -> bytes:
    """The body of `/info`.

    `slots` are requests that one process can have waiting for the backend, `client_pool`
    the backend connections that it may open.
    """
    model, each = folders.about(folders.chain(NAME)[0])["model"], SETTINGS.concurrency
    is_blocked = model == "event loop, blocked"
    slots = 1 if is_blocked or model == "processes" else each
    packages = [requirement.partition("[")[0] for requirement in folders.requirements(NAME)]
    return json.dumps(
        {
            "service": NAME,
            "workers": SETTINGS.workers,
            "concurrency": each,
            "slots": SETTINGS.workers * slots,
            "client_pool": 1 if is_blocked else each,
            "backend_url": SETTINGS.backend_url,
            "backend_timeout_s": SETTINGS.backend_timeout_s,
            "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
            "versions": {"python": platform.python_version()}
            | {package: version(package) for package in packages},
        }
    ).encode()


def offers(route: str) -> bool:
    """True if `service.toml` names a route beside the core ones."""
    return route in folders.about(folders.chain(NAME)[0]).get("offers", ())


def check_threads() -> None:
    """SystemExit where the system does not let each worker have CONCURRENCY threads."""
    if _more_threads() < 2:
        sys.exit(
            f"CONCURRENCY {SETTINGS.concurrency} in WORKERS {SETTINGS.workers}: the limit on"
            f" processes leaves room for no more than {_free()} threads"
        )


def helpers() -> int:
    """How many threads for the further calls of requests: CONCURRENCY where there is room."""
    return max(1, min(SETTINGS.concurrency, _more_threads() // 2))


def _more_threads() -> int:
    """Threads that a worker may have besides CONCURRENCY and the server's own."""
    return (_free() - 8) // SETTINGS.workers - SETTINGS.concurrency - 8


def _free() -> int:
    """How many more processes or threads a container's, a unit's or the user's limit allows."""
    user, _ = resource.getrlimit(resource.RLIMIT_NPROC)
    is_limited = os.geteuid() != 0 and user != resource.RLIM_INFINITY
    free = user if is_limited else sys.maxsize
    groups = Path("/proc/self/cgroup")
    for line in groups.read_text(encoding="utf-8").splitlines() if groups.exists() else ():
        _, controllers, path = line.split(":", 2)
        own = Path("/sys/fs/cgroup", controllers, path.lstrip("/"))  # "" is version 2
        for group in (own, *own.parents):
            with suppress(OSError, ValueError):  # it has no limit
                used = int((group / "pids.current").read_text(encoding="utf-8"))
                free = min(free, int((group / "pids.max").read_text(encoding="utf-8")) - used)
    return free


def tls() -> ssl.SSLContext | None:
    """TLS with the certificate of the environment; None without, SystemExit where it is bad."""
    if not CERTIFICATE:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(CERTIFICATE, KEY)
    except OSError as error:  # of which ssl.SSLError is one
        sys.exit(f"TLS_CERTIFICATE {CERTIFICATE}, TLS_KEY {KEY}: {error.strerror or error}")
    # At the first read, where servers expect that a client hangs up: gevent's do not before it.
    context.wrap_socket = partial(context.wrap_socket, do_handshake_on_connect=False)
    return context


def listen() -> socket.socket:
    """A socket that listens on HOST and PORT; SystemExit where there cannot be one."""
    tls()  # each server reads the certificate in a way of its own, and with other complaints
    family = socket.AF_INET6 if ":" in SETTINGS.host else socket.AF_INET
    try:
        return socket.create_server((SETTINGS.host, SETTINGS.port), family=family, backlog=BACKLOG)
    except OSError as error:
        why = (error.strerror or str(error)).partition(" (while")[0]  # the address is named already
        sys.exit(f"cannot listen on HOST {SETTINGS.host}, PORT {SETTINGS.port}: {why}")


def run(serve: Callable[[socket.socket], None]) -> None:
    """Call `serve` with the listening socket, in WORKERS processes; ends when they have.

    SIGTERM is blocked until `serve` calls `heed_sigterm`, so that none is lost before
    somebody can act on it. With several processes it is passed on to each, and when
    one of them ends the others are stopped: the service would not be what it says.
    """
    listener = listen()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if SETTINGS.workers == 1:
        serve(listener)
        return
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=serve, args=[listener]) for _ in range(SETTINGS.workers)]
    for worker in workers:
        worker.start()
    listener.close()  # when the workers have closed it, too, connections are refused
    running = list(workers)

    def stop(*_: object) -> None:
        while running:
            running.pop().terminate()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    heed_sigterm()
    multiprocessing.connection.wait([worker.sentinel for worker in workers])
    stop()
    for worker in workers:
        worker.join()
    sys.exit(max(abs(worker.exitcode or 0) for worker in workers))


def heed_sigterm() -> None:
    """Let SIGTERM arrive, once there is a handler for it."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})


async def sigterm() -> None:
    """Wait for SIGTERM or SIGINT, and for what had arrived before it."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    heed_sigterm()
    await stop.wait()
    await asyncio.sleep(0.1)  # what came before may still be in the sockets' buffers


async def drained(in_flight: Callable[[], int]) -> None:
    """Wait until nothing is in flight any more, for DRAIN_S at most."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + DRAIN_S
    while in_flight() and loop.time() < deadline:
        await asyncio.sleep(0.01)
