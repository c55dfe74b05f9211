"""The processes behind a port of this machine."""

from __future__ import annotations

import contextlib
import ipaddress
import os
import socket
from pathlib import Path

import psutil

from loadtests.errors import UsageError
from loadtests.runtime import ServiceFailed
from loadtests.runtime.tree import ProcessTree

CONNECT_S = 2.0
DOCKERS = ("docker-proxy", "rootlessport")  # they pass on to a container


def is_here(host: str) -> bool:
    """Whether `host` is this machine: a loopback address, or one of its own."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    own = {a.address.partition("%")[0] for each in psutil.net_if_addrs().values() for a in each}
    addresses = {str(address[4][0]).partition("%")[0] for address in found}
    return all(ipaddress.ip_address(a).is_loopback or a in own for a in addresses)


def refuses(host: str, port: int) -> bool:
    """Whether nothing listens there."""
    with contextlib.suppress(OSError):
        with contextlib.suppress(ConnectionRefusedError):
            socket.create_connection((host, port), CONNECT_S).close()
            return False
        return True
    return False  # such as one that is too busy to accept


def listeners(port: int) -> list[psutil.Process]:
    """The processes that listen on `port`, without those that one of them has started."""
    found: dict[int, psutil.Process] = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if any(
                socket_.status == psutil.CONN_LISTEN and socket_.laddr.port == port
                for socket_ in process.net_connections("tcp")
            ):
                found[process.pid] = process
    return [one for one in found.values() if not _above(one) & found.keys()]


def tree(port: int, pid: int | None) -> tuple[ProcessTree | None, str]:
    """The processes behind `port`, or those of `pid`; and which they are, or why none are known.

    UsageError where there is no process `pid`.
    """
    try:
        tops = [psutil.Process(pid)] if pid else listeners(port)
    except psutil.NoSuchProcess:
        raise UsageError(
            f"--pid {pid}: there is no such process; without --pid it is looked for by its port"
        ) from None
    if not tops:
        return (
            None,
            f"the process that listens on {port} cannot be seen: give --pid, or be its user",
        )
    if any(_name(top) in DOCKERS for top in tops):
        return None, f"port {port} is a container's: give --pid, its process as `docker top` has it"

    def still() -> list[psutil.Process]:
        there = [top for top in tops if top.is_running()]
        if not there:
            raise ServiceFailed("the service has ended")
        return there

    found = ProcessTree(still)
    more = len(found.processes()) - len(tops)
    which = ", ".join(f"{top.pid} ({_command(top)})" for top in tops)
    how = f"found by port {port}" if not pid else "as --pid says"
    others = f" and {more} that it started" if more else ""
    return found, f"process {which}{others}, {how}"


def packages(tops: list[psutil.Process]) -> set[str]:
    """The packages in the environment of the Python that runs `tops`, in small letters."""
    found: set[str] = set()
    for top in tops:
        with contextlib.suppress(psutil.Error, OSError):
            for word in top.cmdline()[:3]:
                program = Path(top.cwd(), word)
                if program.parent.name == "bin" and os.access(program, os.X_OK):
                    places = program.parent.parent.glob("lib/python3*/site-packages/*/")
                    found |= {place.name.lower() for place in places}
    return found


def _above(process: psutil.Process) -> set[int]:
    with contextlib.suppress(psutil.Error):
        return {parent.pid for parent in process.parents()}
    return set()


def _name(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return str(process.name())
    return ""


def _command(process: psutil.Process) -> str:
    """The beginning of its command, without the folders."""
    with contextlib.suppress(psutil.Error):
        words = [Path(word).name if word.startswith("/") else word for word in process.cmdline()]
        return " ".join(words)[:60]
    return "?"
