"""What makes the load, a module for each kind of workload, inside the generator's process.

Each has a class `Load` with what `Load` in this module says. What a kind
measures, and how its windows are judged, is in `loadtests/bench/kinds.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol

from loadtests.load.connection import Connection


class StepFailed(Exception):
    """A step that cannot be measured; the text says why. The next one may."""


class Load(Protocol):
    """The users and connections of one service's turn, from step to step.

    It is made from the plan of the generator; a step is a dictionary of what
    kinds.Step has.
    """

    def check(self, service: Connection) -> None:
        """See that the service does what will be asked of it; RequestFailed or ValueError."""

    def measure(self, step: dict[str, Any], window: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """What is said of a step: by default what it needs is brought up and one `window` measured.

        A load that searches may measure several: the service's CPU is that of the last one.
        """
        self.prepare(step)
        return window()

    def prepare(self, step: dict[str, Any]) -> None:
        """Bring up what the step needs and warm it up; StepFailed where that is impossible."""

    def begin(self) -> None:
        """Forget what was counted: the window opens."""

    def run(self, window_s: float) -> None:
        """Come back when the window is over."""

    def end(self) -> dict[str, Any]:
        """What was counted in it: the figures of a point, and `problems` that make it invalid."""


def load(plan: dict[str, Any]) -> Load:
    """The load of the plan's kind of workload."""
    module = import_module(f"loadtests.load.workloads.{plan['profile']['kind']}")
    made: Load = module.Load(plan)
    return made


def expect(service: Connection, path: str, body: bytes) -> None:
    """Raise ValueError unless the answer to `GET path` is `body`; RequestFailed if none comes."""
    request = b"GET %s HTTP/1.1\r\nHost: check\r\nX-Request-ID: check\r\n\r\n"
    status, answer = service.exchange(request % path.encode())
    if (status, answer) != (200, body):
        raise ValueError(f"GET {path} was answered with {status} {bytes(answer[:200])!r}")
