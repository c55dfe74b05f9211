"""The runtime with Docker: the containers of compose.yaml, one service at a time."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadtests.bench import cores
from loadtests.catalog import BACKEND, ROOT, Service
from loadtests.load import burn
from loadtests.own import container as own_container
from loadtests.paths import CACHE
from loadtests.runtime import Given, ServiceFailed, cycles_of, settings_of, strangers
from loadtests.runtime.container import (
    PORT,
    ComposeService,
    ContainerGenerator,
    address,
    ended,
    log_tail,
)
from loadtests.runtime.disturbed import Disturbed
from loadtests.runtime.engine import PROJECT, Cgroup, Engine, EngineError, docker
from loadtests.runtime.environments import InstallError
from loadtests.runtime.guard import Guard
from loadtests.runtime.process import LOG_TAIL_BYTES, READY_S

NULL_SERVER = "null-server"
BUILD_S = 1800.0

# Runs inside the container: nothing of it can be reached from here.
WAIT_READY = f"""
import http.client, time
while True:
    try:
        server = http.client.HTTPConnection("127.0.0.1", {PORT}, timeout=1)
        server.request("GET", "/health")
        if server.getresponse().status == 200:
            break
    except (OSError, http.client.HTTPException):
        time.sleep(0.02)
"""


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


class ComposeRuntime:
    """Containers of a project of its own, the service on one core, or `spread`; the load apart."""

    name = "compose"
    backend_url = f"http://{BACKEND}:{PORT}"

    def __init__(
        self, because: str, services: list[str], settings: dict[str, str], spread: bool = False
    ) -> None:
        self.because = because
        self.services = services
        self.engine = Engine()
        self.here = self.engine.here
        choice = cores.spread if spread else cores.split
        pair = choice(range(self.engine.cores), known=self.here)
        self.pinned = pair is not None
        self.service_cpus, self.load_cpus = map(sorted, pair or ((), ()))
        self.project = f"waiting-services-{os.getpid()}-{secrets.token_hex(3)}"
        self.settings = settings
        self._disturbed = Disturbed(self.engine)
        self._tops: dict[str, int | None] = {}  # by the name of a service
        number = max(1, len(self.service_cpus))
        limits = {"SERVICE_CPUS": f"{number}", "SERVICE_MEMORY": f"{number}g"} if spread else {}
        self._environment = {
            **limits,
            **os.environ,
            "BUILDX_CONFIG": str(CACHE / "buildx"),  # not in the home folder
            "SERVICE_CPUSET": ",".join(map(str, self.service_cpus)),
            "LOAD_CPUSET": ",".join(map(str, self.load_cpus)),
            "HEALTH_INTERVAL": "24h",  # none while we measure
            "TARGETS": " ".join(services),
        }

    def __enter__(self) -> ComposeRuntime:
        self._guard = Guard(f"{PROJECT}={self.project}")
        try:
            self._build()
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
        self._environment["BACKEND_HOST"] = address(self.engine, self.container(BACKEND))

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
        with own_container.written(own, self.backend_url) as files:
            self.up(name, settings=settings, files=files)
        container = self.container(name)
        try:
            if own:
                own_container.wait_listening(self.engine, self._locust(), container, port)
            else:
                self.wait_ready(name)
            self._note(name)
            with Cgroup(container) as cgroup:
                yield ComposeService(name, container, self.engine, cgroup, port)
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
        return cycles_of(docker("exec", self.container(NULL_SERVER), *command)[1])

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
            run = ("run", "--detach", "--no-deps", "locust", "sleep", "infinity")
            status, said = self._compose(*run)
            found = self.engine.found("containers", self.project, "locust")
            if status or not found:
                raise ServiceFailed("Locust's container could not be started", said)
            self._note("locust")
        return found[0]

    def up(
        self, *names: str, settings: dict[str, str] | None = None, files: Sequence[Path] = ()
    ) -> None:
        """Start containers of compose.yaml with `settings`; ServiceFailed with Compose's words.

        More `files` of Compose's may say more of them.
        """
        up = ("up", "--detach", "--no-deps", "--no-build")
        status, said = self._compose(*up, *names, settings=settings, files=files)
        if status:
            raise ServiceFailed(f"{', '.join(names)} could not be started", said[-LOG_TAIL_BYTES:])

    def container(self, name: str) -> str:
        """The id of the container of `name`; ServiceFailed if there is none."""
        found = self.engine.found("containers", self.project, name)
        if not found:
            raise ServiceFailed(f"there is no container of {name}")
        return found[0]

    def _note(self, name: str) -> None:
        """Note whose descendants all of a container are, also what `docker exec` starts there."""
        container = self.container(name)
        first = self.engine.state(container).get("Pid", 0)
        self._tops[name] = strangers.container_top(first, container)

    def wait_ready(self, name: str, timeout_s: float = READY_S) -> None:
        """Wait until `/health` says 200; ServiceFailed after `timeout_s` or if it exits."""
        container = self.container(name)
        try:
            status, _ = docker("exec", container, "python", "-c", WAIT_READY, timeout_s=timeout_s)
        except EngineError:
            message = f"{name} was not ready within {timeout_s:g} s"
            raise ServiceFailed(message, log_tail(container)) from None
        if status:
            exited = ended(self.engine, container)
            raise ServiceFailed(f"{name} {exited} before it was ready", log_tail(container))

    def command(self, *arguments: str, files: Sequence[Path] = ()) -> list[str]:
        """Arguments of `docker` for this project."""
        named = [part for file in (ROOT / "compose.yaml", *files) for part in ("--file", str(file))]
        project = ("--project-name", self.project, *named)
        # No file .env: the local runtime reads none either.
        return ["compose", "--env-file", os.devnull, *project, *arguments]

    def _compose(
        self,
        *arguments: str,
        settings: dict[str, str] | None = None,
        files: Sequence[Path] = (),
        timeout_s: float = 60,
    ) -> tuple[int, str]:
        environment = {**self._environment, **(settings or {})}
        return docker(
            *self.command(*arguments, files=files), environment=environment, timeout_s=timeout_s
        )

    def _build(self) -> None:
        print("building the images that have changed", flush=True)
        build = ("--progress", "plain", "build", BACKEND, *self.services, "locust")
        status, output = self._compose(*build, timeout_s=BUILD_S)
        if status:
            raise InstallError(f"the images could not be built:\n{output[-LOG_TAIL_BYTES:]}")
