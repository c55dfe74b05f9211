"""What the bench asks of a runtime, and the choice between the two there are."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from loadtests.catalog import Service
from loadtests.runtime.footprint import Footprint


class UnknownRuntime(ValueError):
    """A runtime that does not exist, or is not to be had on this machine."""


class ServiceFailed(RuntimeError):
    """A service that did not start, or died; `log_tail` is the end of what it wrote."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail


@dataclass(frozen=True)
class Usage:
    """What a service has used so far: CPU of all its processes, and their memory now."""

    cpu_s: float
    rss_bytes: int


class Running(Protocol):
    """A service that is up."""

    @property
    def url(self) -> str:
        """Where the generator reaches it."""

    def usage(self) -> Usage:
        """CPU and memory of its whole process tree; ServiceFailed if it is gone."""

    def footprint(self, switches: bool) -> Footprint:
        """What its process tree holds, and its switches if asked for; ServiceFailed as above."""

    def log_tail(self) -> str:
        """The end of what it wrote."""


class Runtime(Protocol):
    """A way to run the backend, one service at a time, and the generator.

    Entered, it has everything installed and the backend up; left, nothing of
    it runs any more.
    """

    name: str
    because: str
    pinned: bool
    load_cpus: list[int]

    @property
    def backend_url(self) -> str:
        """Where the generator reaches the backend."""

    def __enter__(self) -> Runtime: ...

    def __exit__(self, *_: object) -> None: ...

    def service(
        self, service: Service, *, workers: int | None = None
    ) -> AbstractContextManager[Running]:
        """Start it, wait until it is ready; stop it and see its port free again at the end.

        `workers` is how many processes it has, whatever the settings say.
        ServiceFailed where it does not start, or its port stays taken.
        """

    def null_server(self) -> AbstractContextManager[str]:
        """Start `loadtests.load.null_server` on the service's core: its URL, for the generator.

        ServiceFailed where it does not start or cannot be had.
        """

    def generator(self, plan: str) -> subprocess.Popen[str]:
        """Start `loadtests.load.generator` with `plan`; its lines come on stdout."""


def choose(wanted: str, services: Iterable[Service], settings: dict[str, str]) -> Runtime:
    """The runtime for `RUNTIME=auto|local|compose`; UnknownRuntime if it is not to be had.

    `settings` are those of `WORKERS`, `CONCURRENCY` and `BACKEND_TIMEOUT_S` that are not
    left to each service.
    """
    from loadtests.runtime import compose, local

    names = [service.name for service in services]
    if wanted not in ("auto", "local", "compose"):
        raise UnknownRuntime(f"no runtime {wanted!r}; there are: auto, local, compose")
    if wanted == "local":
        return local.LocalRuntime("RUNTIME=local asks for it", names, settings)
    missing = compose.why_not()
    if wanted == "compose":
        if missing:
            raise UnknownRuntime(f"RUNTIME=compose: {missing}")
        return compose.ComposeRuntime("RUNTIME=compose asks for it", names, settings)
    if missing:
        return local.LocalRuntime(missing, names, settings)
    return compose.ComposeRuntime("a Docker Engine answers", names, settings)


def settings_of(
    service: Service, settings: dict[str, str], workers: int | None = None
) -> dict[str, str]:
    """What of `settings` is for `service`, with so many `workers` where they are given.

    Where it has a limit of its own that is all but CONCURRENCY: only the user sets that.
    """
    own = {"WORKERS": str(workers)} if workers else {}
    asked = not service.limit or bool(os.environ.get("CONCURRENCY"))
    return {key: value for key, value in settings.items() if asked or key != "CONCURRENCY"} | own
