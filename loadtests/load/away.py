"""Workers for the bench of another machine, one run and one service after the other."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

from loadtests.catalog import ROOT
from loadtests.errors import FAILED, UsageError
from loadtests.runtime import STRANGER
from loadtests.runtime.local import DESCRIPTORS
from loadtests.runtime.process import leashed, raise_descriptor_limit

LOOK_S = 0.05


def master_of(text: str, port: int) -> tuple[str, int]:
    """Host and port in `text`, by default `port`; UsageError where no machine is known as that."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or port
        socket.getaddrinfo(host, port)
    except (ValueError, OSError):
        raise UsageError(
            f"MASTER={text}: no machine is known here as that; say its address, like 10.0.0.3"
        ) from None
    return host, port


def run(host: str, port: int, number: int) -> int:
    """Have so many workers ask the master there for work, for ever; 1 where it is of another
    version of this project."""
    raise_descriptor_limit(DESCRIPTORS)
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    command = leashed(sys.executable, "-m", "loadtests.load.worker", host, str(port))

    def start(place: int) -> subprocess.Popen[bytes]:
        worker = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL)
        if len(cores) >= number > 1:  # each has one of its own
            os.sched_setaffinity(worker.pid, {cores[place]})
        return worker

    workers = [start(place) for place in range(number)]
    told = f"{number} worker{'s' if number > 1 else ''} for make bench LOAD_WORKERS=…"
    print(f"{told} on {host}, port {port}; Ctrl-C ends this", flush=True)
    try:
        while True:
            for place, worker in enumerate(workers):
                if worker.poll() == STRANGER:
                    print(f"the bench on {host} is of another version of this project: "
                          "bring both to the same commit", file=sys.stderr)  # fmt: skip
                    return FAILED
                if worker.returncode is not None:  # a service was measured: there may be another
                    workers[place] = start(place)
            time.sleep(LOOK_S)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
