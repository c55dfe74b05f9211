"""The runtime with Docker: the containers of compose.yaml, one service at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from loadtests.bench import cores
from loadtests.catalog import BACKEND, Service
from loadtests.load import burn
from loadtests.own import container as own_container
from loadtests.runtime import (
    ALONE,
    Given,
    LoadProcesses,
    ServiceFailed,
    certificate,
    cycles_of,
    settings_of,
    strangers,
)
from loadtests.runtime.cgroup import Cgroup
from loadtests.runtime.container import PORT, ComposeService, ContainerGenerator, address
from loadtests.runtime.disturbed import Disturbed
from loadtests.runtime.engine import PROJECT, Engine, EngineError, docker
from loadtests.runtime.guard import Guard
from loadtests.runtime.project import Project, a_name, variables

NULL_SERVER = "null-server"


def why_not() -> str | None:
    """Why Compose cannot be used here, in a few words; None where it can."""
    if shutil.which("docker") is None:
        return "docker is not installed"
    try:
        Engine()
        missing, _ = docker("compose", "version", timeout_s=10)
    except EngineError as error:
        return str(error)
    return "docker has no Compose v2" if missing else None


class ComposeRuntime(Project):
    """Containers of a project of its own, the service on one core, or `spread`; the load apart."""

    name = "compose"
    backend_url = f"http://{BACKEND}:{PORT}"

    def __init__(
        self,
        because: str,
        services: list[str],
        settings: dict[str, str],
        spread: bool = False,
        load_processes: LoadProcesses = ALONE,
    ) -> None:
        self.because = because
        self.services = services
        engine = Engine()
        self.here = engine.here
        self.load_processes = load_processes
        allowed = range(engine.cores)
        if spread:
            pair = cores.spread(allowed, known=self.here)
        else:
            pair = cores.split(allowed, known=self.here, load=load_processes.here)
        self.pinned = pair is not None
        self.service_cpus, self.load_cpus = map(sorted, pair or ((), ()))
        cpus = self.service_cpus, self.load_cpus
        super().__init__(engine, a_name(), variables(services, *cpus, spread))
        self.settings = settings
        self._disturbed = Disturbed(self.engine)
        self._tops: dict[str, int | None] = {}  # by the name of a service
        self.machines: dict[str, dict[str, Any]] = {}
        self.round_trips: dict[str, dict[str, float]] = {}

    def __enter__(self) -> ComposeRuntime:
        self._guard = Guard(self.engine, f"{PROJECT}={self.project}")
        try:
            self.build(BACKEND, *self.services, "locust")
            self.up(BACKEND)
            self._know_backend()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _know_backend(self) -> None:
        self.wait_ready(BACKEND)
        self._note(BACKEND)
        # A client that keeps no connections asks for the name each time, of dockerd.
        self.variables["BACKEND_NAME"] = address(self.engine, self.container(BACKEND))

    def disturb(self, fault: str) -> None:
        """Have the engine kill or freeze the backend, or take it out of the network."""
        self._disturbed.disturb(self.container(BACKEND), fault)

    def mend(self) -> None:
        """Undo it; it may have another address now."""
        if self._disturbed.mend():
            self._know_backend()

    def __exit__(self, *_: object) -> None:
        self.engine.remove_project(self.project)
        self._guard.dismiss()

    @contextmanager
    def service(self, service: Service, *, given: Given = None) -> Iterator[ComposeService]:
        """Start the container of `service`, wait until it is ready; remove it at the end."""
        own, settings = service.own, settings_of(service, self.settings, given)
        name, port = (own_container.NAME, own.port) if own else (service.name, PORT)
        with certificate.made(service) as shown:
            with own_container.written(own, self.backend_url) as files:
                files = [*files, *certificate.in_container(shown, name)]
                self.up(name, settings=settings, files=files)
            container = self.container(name)
            try:
                if own:
                    own_container.wait_listening(self.engine, self._locust(), container, port)
                else:
                    self.wait_ready(name)
                self._note(name)
                with Cgroup(self.engine, container) as cgroup:
                    scheme = "https" if shown.text else "http"
                    url = f"{scheme}://{name}:{port}"  # as Locust's container sees it
                    yield ComposeService(name, container, self.engine, cgroup, url, shown.text)
                self.engine.ask("POST", f"/containers/{container}/stop", {"t": "2"})
            finally:
                self._tops.pop(name, None)
                self.engine.remove(container)

    @contextmanager
    def null_server(self) -> Iterator[str]:
        """Start it on the service's core; its address, as the generator reaches it."""
        self.up(NULL_SERVER)
        container = self.container(NULL_SERVER)
        try:
            self.wait_ready(NULL_SERVER)
            yield f"http://{NULL_SERVER}:{PORT}"
        finally:
            self.engine.remove(container)

    def burn(self) -> float:
        """Measure it in the container of the null server, which is pinned as a service is."""
        command = ("python", "-m", burn.__name__)
        return cycles_of(self.engine.docker("exec", self.container(NULL_SERVER), *command)[1])

    def look(self) -> strangers.Look | None:
        """All processes: those of the run descend from this one, or from what runs a container."""
        tops = [*self._tops.values()]
        if not self.here or None in tops:
            return None
        return strangers.look([os.getpid(), *filter(None, tops)])

    def generator(self, plan: str) -> subprocess.Popen[str]:
        """Start the generator in a container of Locust's, on the load's core."""
        return ContainerGenerator(self.engine, self._locust(), plan)

    def _locust(self) -> str:
        """The container of Locust's, started where there is none yet."""
        # One container for all of them: to make one takes a second, a command in it a tenth.
        found = self.engine.found("containers", self.project, "locust")
        if not found:
            status, said = self.run("--detach", "--no-deps", "locust", "sleep", "infinity")
            found = self.engine.found("containers", self.project, "locust")
            if status or not found:
                raise ServiceFailed("Locust's container could not be started", said)
            self._note("locust")
        return found[0]

    def _note(self, name: str) -> None:
        """Note whose descendants all of a container are, also what `docker exec` starts there."""
        container = self.container(name)
        first = self.engine.state(container).get("Pid", 0)
        self._tops[name] = strangers.container_top(first, container)
