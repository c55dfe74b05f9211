"""The runtime as the bench sees it, and the choice between the two there are."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from loadtests.catalog import Service
from loadtests.errors import Failure, UsageError, meant
from loadtests.runtime.footprint import Footprint
from loadtests.runtime.strangers import Look

# Settings that a service has, whatever those of the run say.
Given = Mapping[str, str] | None


class UnknownRuntime(UsageError):
    """A runtime that does not exist, or is not to be had on this machine."""


class ServiceFailed(Failure):
    """A service that did not start, or died; `log_tail` is the end of what it wrote."""


RUNTIMES = ("auto", "local", "compose")
STRANGER = 3  # the exit status of a load's worker whose master is of another version
LOAD_PORT = 5557  # where workers of other machines find the master: Locust's own


@dataclass(frozen=True)
class LoadProcesses:
    """The processes that make the load: so many of this machine.

    Where there is a `port` they are Locust's workers on others, which connect to it there.
    """

    number: int = 1
    port: int | None = None

    @property
    def here(self) -> int:
        """How many of them want a core of this machine; elsewhere the backend has it alone."""
        return 1 if self.port else self.number

    @property
    def are_several(self) -> bool:
        """Whether another process than the generator makes the load."""
        return self.number > 1 or self.port is not None

    @property
    def variable(self) -> str:
        """The variable that asks for them."""
        return "LOAD_WORKERS" if self.port else "LOAD_PROCESSES"

    def said(self) -> dict[str, int]:
        """How the generator's plan has them; of one process there is no word in it."""
        several = {"processes": self.number} if self.are_several else {}
        return several | ({"port": self.port} if self.port else {})


ALONE = LoadProcesses()


@dataclass(frozen=True)
class Usage:
    """Use of a service so far: CPU of all its processes, and their memory now."""

    cpu_s: float
    rss_bytes: int


class Running(Protocol):
    """A service that is up."""

    @property
    def url(self) -> str:
        """Where the generator reaches it."""

    @property
    def certificate(self) -> str:
        """By what https there is verified, as PEM; empty where it speaks plain HTTP."""

    def usage(self) -> Usage:
        """CPU and memory of its whole process tree; ServiceFailed if it is gone."""

    def footprint(self, switches: bool) -> Footprint:
        """Memory of its process tree, and switches if asked for; ServiceFailed as above."""

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
    here: bool  # under this kernel, so that its cores and processes are those that one sees
    service_cpus: list[int]
    load_cpus: list[int]
    # Those of the service and the backend where they are not this one, and how far apart they are.
    machines: dict[str, dict[str, Any]]
    round_trips: dict[str, dict[str, float]]
    load_processes: LoadProcesses

    @property
    def backend_url(self) -> str:
        """Where the generator reaches the backend."""

    def __enter__(self) -> Runtime: ...

    def __exit__(self, *_: object) -> None: ...

    def service(self, service: Service, *, given: Given = None) -> AbstractContextManager[Running]:
        """Start it, wait until it is ready; stop it and see its port free again at the end.

        ServiceFailed where it does not start, or its port stays taken.
        """

    def disturb(self, fault: str) -> None:
        """Do to the backend what its own faults cannot: `kill`, `freeze` or `no-name`."""

    def mend(self) -> None:
        """Undo it; nothing where all is well."""

    def null_server(self) -> AbstractContextManager[str]:
        """Start `loadtests.load.null_server` on the service's core: its URL, for the generator.

        ServiceFailed where it does not start or cannot be had.
        """

    def burn(self) -> float:
        """The cycles in a millisecond of the service's core, beside a null server that is idle.

        ServiceFailed where that does not run, or they cannot be measured.
        """

    def look(self) -> Look | None:
        """All processes of this machine; None where its own run elsewhere, or cannot be seen."""

    def generator(self, plan: str) -> subprocess.Popen[str]:
        """Start `loadtests.load.generator` with `plan`; its lines come on stdout."""


def choose(
    wanted: str,
    services: Iterable[Service],
    settings: dict[str, str],
    spread: bool = False,
    load_processes: LoadProcesses = ALONE,
) -> Runtime:
    """The runtime for `RUNTIME=auto|local|compose`; UnknownRuntime if it is not to be had.

    `settings` are those of `WORKERS`, `CONCURRENCY` and `BACKEND_TIMEOUT_S` that are not
    left to each service. A service that is `spread` has all cores that the load leaves it,
    and `load_processes` make the load. Where the environment names machines for service and
    backend they are there.
    """
    from loadtests.runtime import compose, hosts, local, places

    services = list(services)
    names = [service.name for service in services if service.root is None and not service.own]
    given = names, settings, spread, load_processes
    see_that_there_is(wanted)
    if places.asked():
        if wanted == "local" or len(names) < len(services):
            reason = "services of this project, in containers"
            raise UnknownRuntime(f"SERVICE_HOST is for {reason}: leave it out")
        because = "SERVICE_HOST names a machine"
        return hosts.HostsRuntime(because, *given, places.read())
    if load_processes.port and wanted != "local":  # a container's port is not published
        if wanted == "compose":
            raise UnknownRuntime(
                "LOAD_WORKERS reach local processes, or the machine of SERVICE_HOST:"
                " leave RUNTIME=compose out"
            )
        return local.LocalRuntime("LOAD_WORKERS reach no containers of this machine", *given)
    if wanted == "local":
        return local.LocalRuntime("as was asked for", *given)
    missing = compose.why_not()
    if wanted == "compose":
        if missing:
            raise UnknownRuntime(f"--runtime compose: {missing}")
        return compose.ComposeRuntime("as was asked for", *given)
    if missing:
        return local.LocalRuntime(missing, *given)
    return compose.ComposeRuntime("a Docker Engine answers", *given)


def see_that_there_is(wanted: str) -> None:
    """UnknownRuntime where there is no such."""
    if wanted not in RUNTIMES:
        raise UnknownRuntime(
            f"no runtime {wanted!r}; there are: {', '.join(RUNTIMES)}{meant(wanted, RUNTIMES)}"
        )


def lacks(runtime: Runtime, service: Service) -> str:
    """Why the runtime cannot start the service; empty where it can. An image has all it needs."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    if runtime.name != "local" or not service.program or shutil.which(service.program, path=path):
        return ""
    return f"{service.program} is not installed"


def cycles_of(said: str) -> float:
    """The number that `loadtests.load.burn` printed; ServiceFailed where it is none."""
    try:
        return float(said)
    except ValueError:
        raise ServiceFailed(f"the CPU's speed was not measured: {said.strip()[-2000:]}") from None


def settings_of(service: Service, settings: dict[str, str], given: Given = None) -> dict[str, str]:
    """The part of `settings` that is for `service`, and those that it is `given` besides.

    Where it has a limit of its own that is all but CONCURRENCY: only the user sets that.
    """
    asked = not service.limit or bool(os.environ.get("CONCURRENCY"))
    left = {key: value for key, value in settings.items() if asked or key != "CONCURRENCY"}
    return {**left, **(given or {})}
