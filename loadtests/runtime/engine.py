"""The Docker Engine for the compose runtime: its commands and its API.

The API, over its socket, where an answer must be quick, or certain that something is gone.
Reference: https://docs.docker.com/reference/api/engine/version/v1.41/
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import platform
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from loadtests.runtime import ServiceFailed

# The labels that Compose puts on everything it creates.
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"
# Of one container or network; many of them take a busy machine as much longer.
REMOVAL_S = 60.0


class EngineError(ServiceFailed):
    """The Engine does not answer, or not as it should: to the bench, a failed point."""


def docker(
    *arguments: str, environment: dict[str, str] | None = None, timeout_s: float = 60
) -> tuple[int, str]:
    """Run the docker command: exit status and output; EngineError after `timeout_s`.

    In a session of its own, so that the terminal's Ctrl-C reaches us alone and
    what it has started is taken down in order.
    """
    with subprocess.Popen(
        ["docker", *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    ) as process:
        try:
            output, _ = process.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            kill_session(process.pid)
            raise EngineError(f"docker {arguments[0]} did not end within {timeout_s:g} s") from None
        except BaseException:
            kill_session(process.pid)
            raise
    return process.returncode, output.strip()


def kill_session(pid: int) -> None:
    """Kill a docker command and its plugin, which outlives it otherwise."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


class Engine:
    """The Engine that the `docker` command talks to, on this machine; or that of a `host`.

    A host is as DOCKER_HOST has it, or the name of a context of Docker's.
    """

    def __init__(self, host: str = "") -> None:
        name = "DOCKER_HOST" if "://" in host else "DOCKER_CONTEXT"
        self._variables = {"DOCKER_HOST": "", name: host} if host else {}
        template = "{{.Endpoints.docker.Host}}"
        status, self.endpoint = self.docker(
            "context", "inspect", "--format", template, timeout_s=10
        )
        if host and status:
            raise EngineError(self.endpoint.partition(": open")[0])
        if status or not (host or self.endpoint.startswith("unix://")):
            raise EngineError(f"the Docker Engine is not on this machine ({self.endpoint})")
        self.about: dict[str, Any] = self.ask("GET", "/info", timeout_s=10)
        self.cores: int = self.about["NCPU"]
        # Docker Desktop has a socket here, and a virtual machine behind it.
        self.here: bool = not host and self.about["KernelVersion"] == platform.release()

    def environment(self, environment: Mapping[str, str] | None = None) -> dict[str, str]:
        """The variables, by default those of this process, that have `docker` talk to it."""
        return {**(os.environ if environment is None else environment), **self._variables}

    def docker(
        self, *arguments: str, environment: dict[str, str] | None = None, timeout_s: float = 60
    ) -> tuple[int, str]:
        """Run the docker command, which talks to this Engine; the rest is as of `docker`."""
        variables = self.environment(environment)
        return docker(*arguments, environment=variables, timeout_s=timeout_s)

    def shell(
        self, container: str, *command: str, stdout: int = subprocess.PIPE
    ) -> subprocess.Popen[str]:
        """Start a command in a container that hears lines; `kill_session` ends it."""
        return subprocess.Popen(
            ["docker", "exec", "--interactive", container, *command],
            env=self.environment(),
            stdin=subprocess.PIPE,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            bufsize=1,
            start_new_session=True,
        )

    def ask(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        timeout_s: float | None = 30,
    ) -> Any:
        """The Engine's answer; None where it is 404; EngineError for any other error."""
        connection = (
            _UnixConnection(self.endpoint.removeprefix("unix://"), timeout_s)
            if self.endpoint.startswith("unix://")
            else _DialledConnection(self.environment(), timeout_s)
        )
        try:
            connection.request(method, f"{path}?{urlencode(query or {})}")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            where = self.endpoint.removeprefix("unix://")
            why = connection.said() or error
            raise EngineError(f"no Docker Engine answers at {where} ({why})") from error
        finally:
            connection.close()
        if response.status == 404:
            return None
        if response.status >= 400:
            raise EngineError(f"{method} {path}: {response.status} {body.decode(errors='replace')}")
        return json.loads(body) if body.strip() else {}

    def found(self, kind: str, project: str, service: str | None = None) -> list[str]:
        """The ids of the `containers`, stopped ones included, or `networks` of a project."""
        labels = [f"{PROJECT}={project}", *([f"{SERVICE}={service}"] if service else [])]
        query = {"filters": json.dumps({"label": labels}), "all": "1"}
        path = "/containers/json" if kind == "containers" else "/networks"
        return [item["Id"] for item in self.ask("GET", path, query)]

    def state(self, container: str) -> dict[str, Any]:
        """`Running`, `ExitCode`, `OOMKilled` and more; empty where there is no such container."""
        found = self.ask("GET", f"/containers/{container}/json")
        state: dict[str, Any] = found["State"] if found else {}
        return state

    def remove(self, container: str) -> None:
        """Kill and remove it, see it gone; it need not be there."""
        deadline = time.monotonic() + REMOVAL_S
        while self.state(container):
            if time.monotonic() > deadline:
                raise EngineError(f"container {container} could not be removed")
            with contextlib.suppress(EngineError):  # another removal, that of --rm, is under way
                self.ask("DELETE", f"/containers/{container}", {"force": "1", "v": "1"})
            time.sleep(0.02)

    def remove_project(self, project: str) -> None:
        """Remove its containers and networks; `docker compose down` would leave those of `run`.

        It looks once more after a while: the Engine finishes what a killed
        command had asked for.
        """
        left: list[str] = []
        empty, deadline = 0, 0.0
        while empty < 2:
            containers = self.found("containers", project)
            networks = self.found("networks", project)
            if left != containers + networks:
                left, deadline = containers + networks, time.monotonic() + REMOVAL_S
            elif left and time.monotonic() > deadline:
                raise EngineError(f"containers or networks of {project} could not be removed")
            for container in containers:
                self.remove(container)
            for network in networks:
                with contextlib.suppress(EngineError):  # an endpoint may still be going
                    self.ask("DELETE", f"/networks/{network}")
            empty = 0 if left else empty + 1
            time.sleep(0.1)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("docker", timeout=timeout_s)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def said(self) -> str:
        return ""


class _DialledConnection(http.client.HTTPConnection):
    """Through the docker command, which knows of ssh, of TLS and of contexts."""

    def __init__(self, environment: dict[str, str], timeout_s: float | None) -> None:
        super().__init__("docker", timeout=timeout_s)
        self._environment = environment
        self._dial: subprocess.Popen[str] | None = None
        self._said = ""

    def connect(self) -> None:
        self.sock, other = socket.socketpair()
        self.sock.settimeout(self.timeout)
        with other:
            self._dial = subprocess.Popen(
                ["docker", "system", "dial-stdio"],
                env=self._environment,
                stdin=other.fileno(),
                stdout=other.fileno(),
                stderr=subprocess.PIPE,
                encoding="utf-8",
                errors="replace",
                start_new_session=True,
            )

    def said(self) -> str:
        """The end of what the command said, which ends: why it could not connect."""
        self.close()
        return self._said

    def close(self) -> None:
        super().close()
        dial, self._dial = self._dial, None
        if dial:
            kill_session(dial.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):  # an ssh of its may be left
                lines = dial.communicate(timeout=2)[1].strip().splitlines()
                self._said = lines[-1].rpartition("stderr=")[2] if lines else ""
