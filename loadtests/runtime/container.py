"""A service in its container: what it uses, what it wrote, how it ended."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from loadtests.runtime import ServiceFailed, Usage
from loadtests.runtime.cgroup import Cgroup
from loadtests.runtime.engine import Engine, EngineError, kill_session
from loadtests.runtime.footprint import Footprint
from loadtests.runtime.process import LOG_TAIL_BYTES

PORT = 8080  # of every service in its container


class ComposeService:
    """A service in its container."""

    def __init__(
        self,
        name: str,
        container: str,
        engine: Engine,
        cgroup: Cgroup,
        url: str,
        certificate: str = "",
    ) -> None:
        self.name = name
        self.container = container
        self.url, self.certificate = url, certificate
        self._engine, self._cgroup = engine, cgroup

    def log_tail(self) -> str:
        """The end of what it wrote."""
        return log_tail(self._engine, self.container)

    def usage(self) -> Usage:
        """CPU and memory of the container's cgroup; ServiceFailed if it has ended."""
        with self._in_mid_run():
            return self._cgroup.usage()

    def footprint(self, switches: bool) -> Footprint:
        """Memory and threads of the container's processes; ServiceFailed if it has ended."""
        with self._in_mid_run():
            return self._cgroup.footprint(switches)

    @contextmanager
    def _in_mid_run(self) -> Iterator[None]:
        try:
            yield
        except EngineError:
            message = f"{self.name} {ended(self._engine, self.container)} in mid-run"
            raise ServiceFailed(message, self.log_tail()) from None


def address(engine: Engine, container: str) -> str:
    """The address of a running container in the one network that it is in."""
    about = engine.ask("GET", f"/containers/{container}/json")
    (network,) = about["NetworkSettings"]["Networks"].values()
    return str(network["IPAddress"])


def log_tail(engine: Engine, container: str) -> str:
    """The end of what a container wrote to stdout and stderr."""
    return engine.docker("logs", "--tail", "100", container)[1][-LOG_TAIL_BYTES:]


def ended(engine: Engine, container: str) -> str:
    """How it ended; what runs in it by `docker exec` ends a moment before it."""
    with contextlib.suppress(EngineError):
        engine.ask("POST", f"/containers/{container}/wait", timeout_s=5)
    state = engine.state(container)
    if not state or state["Running"]:
        return "failed" if state else "was removed"
    killed = ", out of memory" if state["OOMKilled"] else ""
    return f"exited with {state['ExitCode']}{killed}"


class ContainerGenerator(subprocess.Popen[str]):
    """`docker exec`, which left to itself does not end with what it started."""

    def __init__(self, engine: Engine, container: str, plan: str) -> None:
        self._engine = engine
        self._container = container
        super().__init__(
            ["docker", "exec", "-i", container, "python", "-m", "loadtests.load.generator", plan],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )

    def kill(self) -> None:
        """Unless the generator has ended well: kill it, by removing its container."""
        if self.poll() != 0:
            kill_session(self.pid)
            self._engine.remove(self._container)
