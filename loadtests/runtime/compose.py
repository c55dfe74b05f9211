"""The runtime with Docker: the containers of compose.yaml, one service at a time."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.catalog import BACKEND, ROOT, Service
from loadtests.runtime import ServiceFailed, Usage, settings_of
from loadtests.runtime.engine import Cgroup, Engine, EngineError, docker, kill_session
from loadtests.runtime.environments import InstallError
from loadtests.runtime.footprint import Footprint
from loadtests.runtime.process import LOG_TAIL_BYTES, READY_S

PORT = 8080  # of every service in its container
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
    """Containers of a project of its own, the service on one core and the load on another."""

    name = "compose"
    backend_url = f"http://{BACKEND}:{PORT}"

    def __init__(self, because: str, services: list[str], settings: dict[str, str]) -> None:
        self.because = because
        self.services = services
        self.engine = Engine()
        self.pinned = self.engine.cores > 1
        self.load_cpus = [1] if self.pinned else []
        self.project = f"waiting-services-{os.getpid()}-{secrets.token_hex(3)}"
        self.settings = settings
        self._environment = {
            **os.environ,
            "SERVICE_CPUSET": "0" if self.pinned else "",
            "LOAD_CPUSET": "1" if self.pinned else "",
            "HEALTH_INTERVAL": "24h",  # none while we measure
            "TARGETS": " ".join(services),
        }

    def __enter__(self) -> ComposeRuntime:
        try:
            self._build()
            self.up(BACKEND)
            self.wait_ready(BACKEND)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.engine.remove_project(self.project)

    @contextmanager
    def service(self, service: Service, *, workers: int | None = None) -> Iterator[ComposeService]:
        """Start the container of `service`, wait until it is ready; remove it at the end."""
        self.up(service.name, settings=settings_of(service, self.settings, workers))
        container = self.container(service.name)
        try:
            self.wait_ready(service.name)
            with Cgroup(container) as cgroup:
                yield ComposeService(service.name, container, self.engine, cgroup)
            self.engine.ask("POST", f"/containers/{container}/stop", {"t": "2"})
        finally:
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

    def generator(self, plan: str) -> subprocess.Popen[str]:
        """Start the generator in a container of Locust's, on the load's core."""
        # One container for all of them: to make one takes a second, a command in it a tenth.
        found = self.engine.found("containers", self.project, "locust")
        if not found:
            run = ("run", "--detach", "--no-deps", "locust", "sleep", "infinity")
            status, said = self._compose(*run)
            found = self.engine.found("containers", self.project, "locust")
            if status or not found:
                raise ServiceFailed("Locust's container could not be started", said)
        return _Generator(self.engine, found[0], plan)

    def up(self, *names: str, settings: dict[str, str] | None = None) -> None:
        """Start containers of compose.yaml with `settings`; ServiceFailed with Compose's words."""
        up = ("up", "--detach", "--no-deps", "--no-build")
        status, said = self._compose(*up, *names, settings=settings)
        if status:
            raise ServiceFailed(f"{', '.join(names)} could not be started", said[-LOG_TAIL_BYTES:])

    def container(self, name: str) -> str:
        """The id of the container of `name`; ServiceFailed if there is none."""
        found = self.engine.found("containers", self.project, name)
        if not found:
            raise ServiceFailed(f"there is no container of {name}")
        return found[0]

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

    def command(self, *arguments: str) -> list[str]:
        """Arguments of `docker` for this project."""
        project = ("--project-name", self.project, "--file", str(ROOT / "compose.yaml"))
        # No file .env: the local runtime reads none either.
        return ["compose", "--env-file", os.devnull, *project, *arguments]

    def _compose(
        self, *arguments: str, settings: dict[str, str] | None = None, timeout_s: float = 60
    ) -> tuple[int, str]:
        environment = {**self._environment, **(settings or {})}
        return docker(*self.command(*arguments), environment=environment, timeout_s=timeout_s)

    def _build(self) -> None:
        print("building the images that have changed", flush=True)
        build = ("--progress", "plain", "build", BACKEND, *self.services, "locust")
        status, output = self._compose(*build, timeout_s=BUILD_S)
        if status:
            raise InstallError(f"the images could not be built:\n{output[-LOG_TAIL_BYTES:]}")


class ComposeService:
    """A service in its container."""

    def __init__(self, name: str, container: str, engine: Engine, cgroup: Cgroup) -> None:
        self.name = name
        self.container = container
        self.url = f"http://{name}:{PORT}"  # as Locust's container sees it
        self._engine, self._cgroup = engine, cgroup

    def log_tail(self) -> str:
        """The end of what it wrote."""
        return log_tail(self.container)

    def usage(self) -> Usage:
        """CPU and memory of the container's cgroup; ServiceFailed if it has ended."""
        with self._in_mid_run():
            return self._cgroup.usage()

    def footprint(self, switches: bool) -> Footprint:
        """What the container's processes hold; ServiceFailed if it has ended."""
        with self._in_mid_run():
            return self._cgroup.footprint(switches)

    @contextmanager
    def _in_mid_run(self) -> Iterator[None]:
        try:
            yield
        except EngineError:
            message = f"{self.name} {ended(self._engine, self.container)} in mid-run"
            raise ServiceFailed(message, self.log_tail()) from None


class _Generator(subprocess.Popen[str]):
    """`docker exec`, which left to itself does not end with what it started."""

    def __init__(self, engine: Engine, container: str, plan: str) -> None:
        self._engine = engine
        self._container = container
        super().__init__(
            ["docker", "exec", container, "python", "-m", "loadtests.load.generator", plan],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def kill(self) -> None:
        """Unless the generator has ended well: kill it, by removing its container."""
        if self.poll() != 0:
            kill_session(self.pid)
            self._engine.remove(self._container)


def log_tail(container: str) -> str:
    """The end of what a container wrote to stdout and stderr."""
    return docker("logs", "--tail", "100", container)[1][-LOG_TAIL_BYTES:]


def ended(engine: Engine, container: str) -> str:
    """How it ended; what runs in it by `docker exec` ends a moment before it."""
    with contextlib.suppress(EngineError):
        engine.ask("POST", f"/containers/{container}/wait", timeout_s=5)
    state = engine.state(container)
    if not state or state["Running"]:
        return "failed" if state else "was removed"
    killed = ", out of memory" if state["OOMKilled"] else ""
    return f"exited with {state['ExitCode']}{killed}"
