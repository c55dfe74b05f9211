"""The Docker Engine for the compose runtime: its commands, its API, a cgroup's figures.

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
from typing import Any
from urllib.parse import urlencode

from loadtests.runtime import ServiceFailed, Usage, footprint

# The labels that Compose puts on everything it creates.
PROJECT, SERVICE = "com.docker.compose.project", "com.docker.compose.service"

# Answers each empty line on stdin with the figures of the container's cgroup, of
# version 1 or 2. Only builtins: nothing is started while we measure. Any other line it
# answers with the footprint's figures, a line each and an empty one at the end.
READ_CGROUP = f"""
cd /sys/fs/cgroup
files='cpu.stat memory.stat'
[ -e cpu.stat ] || files='cpuacct/cpuacct.usage memory/memory.stat'
while read -r wanted; do
    if [ "$wanted" ]; then
        {footprint.SHELL}
        continue
    fi
    figures=
    for file in $files; do
        while read -r line; do
            case $line in
                'usage_usec '* | 'anon '* | 'file_mapped '* | 'rss '* | 'mapped_file '*)
                    figures="$figures $line" ;;
                [0-9]*) figures="usage_nsec $line" ;;
            esac
        done <$file
    done
    echo $figures
done
"""


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
    """The Engine that the `docker` command talks to."""

    def __init__(self) -> None:
        template = "{{.Endpoints.docker.Host}}"
        status, endpoint = docker("context", "inspect", "--format", template, timeout_s=10)
        if status or not endpoint.startswith("unix://"):
            raise EngineError(f"the Docker Engine is not on this machine ({endpoint})")
        self.path = endpoint.removeprefix("unix://")
        info = self.ask("GET", "/info", timeout_s=10)
        self.cores: int = info["NCPU"]
        # Docker Desktop has a socket here, and a virtual machine behind it.
        self.here: bool = info["KernelVersion"] == platform.release()

    def ask(
        self,
        method: str,
        path: str,
        query: dict[str, str] | None = None,
        timeout_s: float | None = 30,
    ) -> Any:
        """The Engine's answer; None where it is 404; EngineError for any other error."""
        connection = _UnixConnection(self.path, timeout_s)
        try:
            connection.request(method, f"{path}?{urlencode(query or {})}")
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
        deadline = time.monotonic() + 20
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
        deadline = time.monotonic() + 30
        empty = 0
        while empty < 2:
            containers = self.found("containers", project)
            networks = self.found("networks", project)
            for container in containers:
                self.remove(container)
            for network in networks:
                with contextlib.suppress(EngineError):  # an endpoint may still be going
                    self.ask("DELETE", f"/networks/{network}")
            empty = 0 if containers or networks else empty + 1
            if time.monotonic() > deadline:
                raise EngineError(f"containers or networks of {project} could not be removed")
            time.sleep(0.1)


class Cgroup:
    """CPU and memory of a container, read by a shell inside it.

    Not `/containers/…/stats`: within a second of the last question that waits,
    and says what was used at the end of the second.
    """

    def __init__(self, container: str) -> None:
        self._shell = subprocess.Popen(
            ["docker", "exec", "--interactive", container, "sh", "-c", READ_CGROUP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
            bufsize=1,
            start_new_session=True,
        )

    def usage(self) -> Usage:
        """Its use so far; EngineError if it has ended.

        The memory is what its processes have mapped, anonymous pages and
        files, each page counted once, the shell's 200 KiB included. The sum of
        RSS of the local runtime counts a page that processes share once for
        each, and counts pages of libraries that here are another container's
        if that one has read the same file before.
        """
        words = self._ask("").split()
        figures = {name: int(value) for name, value in zip(words[::2], words[1::2], strict=True)}
        if "usage_usec" in figures:
            mapped_bytes = figures["anon"] + figures["file_mapped"]
            return Usage(figures["usage_usec"] / 1e6, mapped_bytes)
        return Usage(figures["usage_nsec"] / 1e9, figures["rss"] + figures["mapped_file"])

    def footprint(self, switches: bool) -> footprint.Footprint:
        """Memory and threads of its processes; EngineError if it has ended."""
        lines = [self._ask("switches" if switches else "footprint")]
        while line := self._line().strip():
            lines.append(line)
        return footprint.read(lines)

    def _ask(self, what: str) -> str:
        assert self._shell.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._shell.stdin.write(f"{what}\n")
        return self._line()

    def _line(self) -> str:
        assert self._shell.stdout is not None
        line = self._shell.stdout.readline()
        if not line:
            raise EngineError("the container has ended")
        return line

    def __enter__(self) -> Cgroup:
        self.usage()  # it is there, and the first answer's delay is not a window's
        return self

    def __exit__(self, *_: object) -> None:
        kill_session(self._shell.pid)
        self._shell.communicate()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float | None) -> None:
        super().__init__("docker", timeout=timeout_s)
        self.path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)
