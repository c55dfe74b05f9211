"""The load of one service's turn, inside the generator's process.

Each kind of workload has a class `Load` in its `load.py`, with what `Load` in
this module says; the instruments have one, too.
"""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

import gevent

from loadtests import workloads
from loadtests.load import tls
from loadtests.load.connection import Connection
from loadtests.load.failure import as_text

# The loads of what is no profile's.
OTHERS = {"instruments": "loadtests.load.instruments", "url": "loadtests.own.load"}
OPENING_S = 0.02  # for who looks at all processes before a window


class StepFailed(Exception):
    """A step that cannot be measured; the text says why. The next one may."""


class Load(Protocol):
    """The users and connections of one service's turn, from step to step.

    It is made from the plan of the generator; a step is a dictionary of what
    workloads.kind.Step has.
    """

    def check(self, service: Connection) -> None:
        """See that the service does what will be asked of it; RequestFailed or ValueError."""

    def measure(self, step: dict[str, Any], window: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """The figures of a step: by default what it needs is brought up and one `window` measured.

        A load that searches may measure several, and says by `of_window` of which one,
        counted from 0, its figures are: the service's CPU is that of the same one.
        """
        self.prepare(step)
        return window()

    def prepare(self, step: dict[str, Any]) -> None:
        """Bring up what the step needs and warm it up; StepFailed where that is impossible."""

    def opening(self) -> None:
        """Come back when the window may open, and whoever looks before it has looked."""
        gevent.sleep(OPENING_S)

    def begin(self) -> None:
        """Forget what was counted: the window opens."""

    def run(self, window_s: float) -> None:
        """Come back when the window is over."""

    def end(self) -> dict[str, Any]:
        """The counts of the window: the figures of a point, and `problems` that make it invalid."""


def load(plan: dict[str, Any]) -> Load:
    """The load of the plan's kind of workload, which trusts the plan's certificate, if any."""
    if certificate := plan.get("certificate"):
        Connection.trusted = tls.trusting(certificate)
    kind = plan["profile"]["kind"]
    module = import_module(OTHERS[kind]) if kind in OTHERS else workloads.module(kind, "load")
    made: Load = module.Load(plan)
    return made


def say(event: dict[str, Any]) -> None:
    """Print one line for whoever started the generator."""
    print(json.dumps(event), flush=True)


def await_look() -> None:
    """Do nothing until whoever started the generator has seen what the service holds.

    They write a line for it, at both ends of a window of a kind that is `faulty`.
    """
    sys.stdin.readline()


def tidy() -> None:
    """Look for garbage now, and never again at what is there now.

    A look at all of it takes 10 ms and more, after which all that was due comes at once. So
    there is one when users have been added and do not send yet, and none in a window.
    """
    gc.collect()
    gc.freeze()


def ask_backend(backend: Connection, what: bytes) -> bytes:
    """The body of its answer to a request of this method and path."""
    return bytes(backend.exchange(b"%b HTTP/1.1\r\nHost: check\r\n\r\n" % what)[1])


def backend_stats(backend: Connection) -> dict[str, Any]:
    """The backend's counters since the last reset; `cpu_s` it counts for ever."""
    stats: dict[str, Any] = json.loads(ask_backend(backend, b"GET /stats"))
    return stats


def expect(service: Connection, path: str, body: bytes) -> None:
    """Raise ValueError unless the answer to `GET path` is `body`; RequestFailed if none comes."""
    request = b"GET %s HTTP/1.1\r\nHost: check\r\nX-Request-ID: check\r\n\r\n"
    status, answer = service.exchange(request % path.encode())
    if (status, answer) != (200, body):
        raise ValueError(f"GET {path} was answered with {status} {as_text(answer)}")
