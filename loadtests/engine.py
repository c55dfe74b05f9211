"""What the compose runtime asks of the Docker Engine itself, over its socket.

The API and not the `docker` command, where it matters that a question takes
milliseconds (usage at the edges of a window) or that something is gone.
Reference: https://docs.docker.com/reference/api/engine/version/v1.41/
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import time
from typing import Any
from urllib.parse import urlencode

from loadtests.runtime import ServiceFailed, Usage

# The labels that Compose puts on everything it creates.
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"


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
        text=True,
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
    """The Engine that the `docker` command talks to."""

    def __init__(self) -> None:
        template = "{{.Endpoints.docker.Host}}"
        status, endpoint = docker("context", "inspect", "--format", template, timeout_s=10)
        if status or not endpoint.startswith("unix://"):
            raise EngineError(f"the Docker Engine is not on this machine ({endpoint})")
        self.path = endpoint.removeprefix("unix://")
        self.cores: int = self.ask("GET", "/info", timeout_s=10)["NCPU"]

    def ask(self, method: str, path: str, timeout_s: float | None = 30, **query: Any) -> Any:
        """The Engine's answer; None where it is 404; EngineError for any other error."""
        connection = _UnixConnection(self.path, timeout_s)
        try:
            connection.request(method, f"{path}?{urlencode(query)}")
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise EngineError(f"no Docker Engine answers at {self.path} ({error})") from error
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
        query = {"filters": json.dumps({"label": labels}), **({"all": 1} if kind == "containers" else {})}
        path = "/containers/json" if kind == "containers" else "/networks"
        return [item["Id"] for item in self.ask("GET", path, **query)]

    def state(self, container: str) -> dict[str, Any]:
        """`Running`, `ExitCode`, `OOMKilled` and more; empty where there is no such container."""
        found = self.ask("GET", f"/containers/{container}/json")
        state: dict[str, Any] = found["State"] if found else {}
        return state

    def usage(self, container: str) -> Usage:
        """CPU and memory of its cgroup.

        The memory is what its processes have mapped, anonymous pages and
        files, each page counted once. The sum of RSS of the local runtime
        counts a page that several processes share once for each of them, and
        it counts pages of libraries that here are another container's if that
        one has read the same file before.
        """
        stats = self.ask("GET", f"/containers/{container}/stats", stream="false", **{"one-shot": "true"})
        if not stats or not stats["memory_stats"].get("stats"):
            raise EngineError("the container is gone")
        memory = stats["memory_stats"]["stats"]
        second = "anon" in memory  # the second version of cgroups
        mapped = memory["anon"] + memory["file_mapped"] if second else memory["rss"] + memory["mapped_file"]
        return Usage(stats["cpu_stats"]["cpu_usage"]["total_usage"] / 1e9, mapped)

    def remove(self, container: str) -> None:
        """Kill and remove it, see it gone; it need not be there."""
        deadline = time.monotonic() + 20
        while self.state(container):
            if time.monotonic() > deadline:
                raise EngineError(f"container {container} could not be removed")
            with contextlib.suppress(EngineError):  # the removal that --rm asks for may be under way
                self.ask("DELETE", f"/containers/{container}", force=1, v=1)
            time.sleep(0.02)

    def remove_project(self, project: str) -> None:
        """Remove its containers and networks; `docker compose down` would leave those of `run`.

        It looks once more after a while: the Engine finishes what a killed
        command had asked for.
        """
        deadline = time.monotonic() + 30
        empty = 0
        while empty < 2:
            containers, networks = self.found("containers", project), self.found("networks", project)
            for container in containers:
                self.remove(container)
            for network in networks:
                with contextlib.suppress(EngineError):  # an endpoint may still be going
                    self.ask("DELETE", f"/networks/{network}")
            empty = 0 if containers or networks else empty + 1
            if time.monotonic() > deadline:
                raise EngineError(f"containers or networks of {project} could not be removed")
            time.sleep(0.1)


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("docker", timeout=timeout_s)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
