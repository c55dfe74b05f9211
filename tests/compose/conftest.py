"""Fixtures of the tests with containers: the Engine, and `docker compose up` once."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from loadtests import catalog
from loadtests.catalog import ROOT
from loadtests.runtime import compose
from loadtests.runtime.engine import Engine, docker
from loadtests.runtime.ports import is_free

SETTINGS = {"WORKERS": "1", "CONCURRENCY": "1000", "BACKEND_TIMEOUT_S": "10"}
BUILD_S = 1200


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The Docker Engine; the test is skipped where none can be used."""
    reason = compose.why_not()
    if reason:
        pytest.skip(f"Compose cannot be used here: {reason}")
    return Engine()


class Stack:
    """A project brought up by `docker compose up`, as a person does it."""

    def __init__(self, engine: Engine, project: str) -> None:
        self.engine = engine
        self.project = project
        self._inspected: dict[str, dict[str, Any]] = {}

    def container(self, name: str) -> str:
        """The id of the first container of `name`."""
        return self.engine.found("containers", self.project, name)[0]

    def inspect(self, name: str) -> dict[str, Any]:
        """The Engine's view of the container of `name` when it was first asked for."""
        if name not in self._inspected:
            path = f"/containers/{self.container(name)}/json"
            self._inspected[name] = self.engine.ask("GET", path)
        return self._inspected[name]

    def address(self, name: str, network: str) -> str:
        """The address of the container of `name` in the network `network`."""
        networks = self.inspect(name)["NetworkSettings"]["Networks"]
        return str(networks[f"{self.project}_{network}"]["IPAddress"])

    def run_in(self, name: str, *command: str) -> tuple[int, str]:
        """Run a command in the container of `name`: exit status and output."""
        return docker("exec", self.container(name), *command)

    def python_in(self, name: str, code: str) -> str:
        """Run Python code in the container of `name`; its output."""
        status, output = self.run_in(name, "python", "-c", code)
        assert status == 0, output
        return output


@pytest.fixture(scope="module")
def stack(engine: Engine) -> Iterator[Stack]:
    """Everything of compose.yaml up and healthy, with two Locust workers."""
    if not is_free(8089):
        pytest.fail("port 8089 on 127.0.0.1 is taken: stop what listens there")
    project = f"waiting-services-test-{os.getpid()}-{secrets.token_hex(3)}"
    # Every ten seconds, the checks of all services would take two thirds of their core.
    variables = {**os.environ, "HEALTH_INTERVAL": "30s"}
    if engine.cores == 1:
        variables |= {"SERVICE_CPUSET": "", "LOAD_CPUSET": ""}
    up = ("up", "--build", "--detach", "--wait", "--scale", "locust-worker=2")
    try:
        status, output = docker(
            *("compose", "--project-name", project, "--file", str(ROOT / "compose.yaml"), *up),
            environment=variables,
            timeout_s=BUILD_S,
        )
        assert status == 0, output[-4000:]
        yield Stack(engine, project)
    finally:
        engine.remove_project(project)


# `docker compose up` leaves the floor out.
EVERY_SERVICE = [one.name for one in catalog.select("") if one.kind != catalog.FLOOR]
EVERY_CONTAINER = ["backend", *EVERY_SERVICE, "locust", "locust-worker"]
