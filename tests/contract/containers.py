"""The services as compose.yaml has them, on the network of this machine, where the tests are."""

from __future__ import annotations

import http.client
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from loadtests.catalog import ROOT
from loadtests.runtime import compose
from loadtests.runtime.engine import Cgroup, Engine, docker
from loadtests.runtime.process import READY_S, fetch
from tests.contract.client import ask, until

BUILD_S = 1800.0
# What is another one here: the backends of the tests are on this machine's loopback, and
# variables are those of the test, with the defaults of `serve`.
OTHERWISE = {
    "network_mode": "host",
    "networks": "!reset []",
    "sysctls": "!reset {}",
    "depends_on": "!reset []",
    "environment": "!reset {}",
    "healthcheck": "{disable: true}",  # it asks port 8080
}


class ContainerService:
    """A running service, as conftest.Service is one: where it is, how it ends, what it left."""

    def __init__(self, engine: Engine, container: str, url: str) -> None:
        self._engine = engine
        self._container = container
        self._cgroup: Cgroup | None = None
        self.url = url

    def info(self) -> dict[str, Any]:
        """What `/info` says."""
        answer: dict[str, Any] = ask(self.url, "/info").json()
        return answer

    def wait_ready(self) -> None:
        """Poll `/health` until it says 200; fail the test if it never does."""

        def is_ready() -> bool:
            assert self.is_running(), self.log()
            try:
                return fetch(f"{self.url}/health", timeout_s=1)[0] == 200
            except (OSError, http.client.HTTPException):
                return False

        assert until(is_ready, READY_S), self.log()

    def terminate(self) -> None:
        """Send SIGTERM to the container's first process, as `docker stop` does."""
        query = {"signal": "SIGTERM"}
        self._engine.ask("POST", f"/containers/{self._container}/kill", query)

    def exit_status(self, timeout_s: float) -> int | None:
        """Wait for the end; None where it did not come within `timeout_s`."""
        until(lambda: not self.is_running(), timeout_s)
        state = self._engine.state(self._container)
        return None if state["Running"] else int(state["ExitCode"])

    def is_running(self) -> bool:
        """Whether the container's first process is still there."""
        return bool(self._engine.state(self._container)["Running"])

    def processes_left(self) -> list[int]:
        """Those of the container that are still there: none where its first one has ended."""
        if not self.is_running():
            return []
        top = self._engine.ask("GET", f"/containers/{self._container}/top", {"ps_args": "-o pid"})
        return [int(process[0]) for process in top["Processes"]]

    def cpu_s(self) -> float:
        """CPU time that the container has used so far."""
        return self._figures().usage().cpu_s

    def descriptors(self) -> int:
        """How many its processes have open."""
        return self._figures().footprint(switches=False).descriptors or 0

    def rss_bytes(self) -> int:
        """Memory that its processes have mapped."""
        return self._figures().usage().rss_bytes

    def log(self) -> str:
        """What it wrote to stdout and stderr."""
        return docker("logs", self._container)[1]

    def end(self) -> None:
        """Kill what still runs, leave nothing."""
        if self._cgroup:
            self._cgroup.__exit__()
        self._engine.remove(self._container)

    def _figures(self) -> Cgroup:
        if not self._cgroup:
            self._cgroup = Cgroup(self._container).__enter__()
        return self._cgroup


class Containers:
    """Starts services of compose.yaml; builds the image of each before the first one."""

    def __init__(self, folder: Path) -> None:
        reason = compose.why_not()
        if reason:
            pytest.exit(f"--containers: {reason}", returncode=2)
        self._engine = Engine()
        self._otherwise = folder / "otherwise.yaml"
        self._project = f"waiting-services-test-{os.getpid()}-{secrets.token_hex(3)}"
        self._built: set[str] = set()

    @contextmanager
    def service(self, name: str, settings: dict[str, str]) -> Iterator[ContainerService]:
        """Start the service `name` with these variables, and no others; kill it at the end."""
        if name not in self._built:
            self._compose(name, "build", name, timeout_s=BUILD_S)
            self._built.add(name)
        settings = {"HOST": "127.0.0.1", **settings}
        variables = [f"--env={variable}={value}" for variable, value in settings.items()]
        container = f"{self._project}-{name}-{secrets.token_hex(3)}"
        run = ("run", "--detach", "--no-deps", "--name", container, *variables)
        url = f"http://{settings['HOST']}:{settings['PORT']}"
        service = ContainerService(self._engine, container, url)
        try:
            self._compose(name, *run, name)
            yield service
        finally:
            service.end()

    def close(self) -> None:
        """Leave no container of them."""
        self._engine.remove_project(self._project)

    def _compose(self, name: str, *arguments: str, timeout_s: float = 60) -> None:
        lines = [f"    {key}: {value}" for key, value in OTHERWISE.items()]
        self._otherwise.write_text("\n".join(["services:", f"  {name}:", *lines, ""]))
        files = ("--file", str(ROOT / "compose.yaml"), "--file", str(self._otherwise))
        # No core of their own: several of them run at a time.
        environment = {**os.environ, "SERVICE_CPUSET": "", "LOAD_CPUSET": ""}
        status, said = docker(
            *("compose", "--project-name", self._project, *files, *arguments),
            environment=environment,
            timeout_s=timeout_s,
        )
        assert status == 0, said[-4000:]
