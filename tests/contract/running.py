"""A running service: as a local process, or as a container of compose.yaml."""

from __future__ import annotations

import ctypes
import http.client
import os
import secrets
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import psutil
import pytest

from loadtests import catalog
from loadtests.catalog import ROOT
from loadtests.runtime import compose
from loadtests.runtime.cgroup import Cgroup
from loadtests.runtime.engine import Engine, docker
from loadtests.runtime.process import ServiceProcess, fetch
from services import folders
from tests.contract.client import ask, until

BUILD_S = 1800.0
STARTS_S = 60.0  # that a start may take, or may need to see that it cannot: many are at once
FEW = 120  # processes and threads
Etc = Mapping[str, Sequence[str]]  # files of /etc, by their names, and their lines
NOTHING: Etc = {}
CLONE_NEWNS, MS_BIND, MS_REC, MS_PRIVATE = 0x20000, 0x1000, 0x4000, 0x40000  # of Linux
# Differences from compose.yaml: the tests and their backends are on this machine's own
# network, and variables that they do not set are left to the defaults of `serve`.
OTHERWISE = {
    "network_mode": "host",
    "networks": "!reset []",
    "sysctls": "!reset {}",
    "depends_on": "!reset []",
    "environment": "!reset {}",
    "healthcheck": "{disable: true}",  # it asks port 8080
}


class Service:
    """A running service: where it is, how it ends, what it left; here as a local process."""

    def __init__(self, process: ServiceProcess) -> None:
        self._process = process
        self.url = process.url

    def wait_ready(self) -> None:
        """Poll `/health` until it says 200; fail the test if it never does."""
        self._process.wait_ready(STARTS_S)

    def info(self) -> dict[str, Any]:
        """The answer of `/info`."""
        answer: dict[str, Any] = ask(self.url, "/info").json()
        return answer

    def terminate(self) -> None:
        """Send SIGTERM, as an operator does: to the process that `serve` became, and no other."""
        os.kill(self._process.pid, signal.SIGTERM)

    def exit_status(self, timeout_s: float) -> int | None:
        """Wait for the end; None where it did not come within `timeout_s`."""
        until(lambda: self._process.returncode is not None, timeout_s)
        return self._process.returncode

    def is_running(self) -> bool:
        """True while the process that `serve` became is there."""
        return self._process.returncode is None

    def processes_left(self) -> list[int]:
        """The processes of its group that are still there."""
        return [process.pid for process in psutil.process_iter() if self._owns(process)]

    def cpu_s(self) -> float:
        """CPU time that its processes have used so far, by their own clocks: not in ticks."""
        return sum(time.clock_gettime(~process.pid << 3 | 2) for process in self._tree())

    def descriptors(self) -> int:
        """How many its processes have open."""
        return sum(process.num_fds() for process in self._tree())

    def files(self, size: int) -> int:
        """How many different files of so many bytes its processes have open."""
        found = set()
        for process in self._tree():
            for descriptor in Path(f"/proc/{process.pid}/fd").iterdir():
                with suppress(FileNotFoundError):
                    status = descriptor.stat()
                    found |= {(status.st_dev, status.st_ino)} if status.st_size == size else set()
        return len(found)

    def rss_bytes(self) -> int:
        """Memory that its processes have in use."""
        return sum(process.memory_info().rss for process in self._tree())

    def log(self) -> str:
        """The service's output on stdout and stderr."""
        return self._process.log_tail(1_000_000)

    def log_since(self, offset_bytes: int) -> bytes:
        """The same beyond the first `offset_bytes`."""
        return self._process.log_since(offset_bytes)

    def _tree(self) -> list[psutil.Process]:
        first = psutil.Process(self._first())
        return [first, *first.children(recursive=True)]

    def _first(self) -> int:
        return self._process.pid

    def _owns(self, process: psutil.Process) -> bool:
        try:
            is_zombie = process.status() == psutil.STATUS_ZOMBIE
            return not is_zombie and os.getpgid(process.pid) == self._process.pid
        except (psutil.NoSuchProcess, ProcessLookupError):
            return False


class ContainerService(Service):
    """A service that runs in a container."""

    def __init__(self, engine: Engine, container: str, url: str, certificate: str) -> None:
        self._engine = engine
        self._container = container
        self._open = ExitStack()
        self.url, self._certificate = url, certificate

    def wait_ready(self) -> None:
        """Wait until `/health` answers; AssertionError where the container ends before."""

        def is_ready() -> bool:
            assert self.is_running(), self.log()
            try:
                url = f"{self.url}/health"
                return fetch(url, timeout_s=1, certificate=self._certificate)[0] == 200
            except (OSError, http.client.HTTPException):
                return False

        assert until(is_ready, STARTS_S), self.log()

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
        """True while the container's first process is there."""
        return bool(self._engine.state(self._container)["Running"])

    def processes_left(self) -> list[int]:
        """The first process while it is there: all others end with it."""
        pid = self._engine.state(self._container)["Pid"]
        return [pid] if pid else []

    def cpu_s(self) -> float:
        """CPU time that the container has used so far."""
        return self._cgroup.usage().cpu_s

    def descriptors(self) -> int:
        """How many its processes have open."""
        return self._cgroup.footprint(switches=False).descriptors or 0

    def rss_bytes(self) -> int:
        """Memory that its processes have mapped."""
        return self._cgroup.usage().rss_bytes

    def log(self) -> str:
        """The service's output on stdout and stderr."""
        return docker("logs", self._container)[1]

    def log_since(self, offset_bytes: int) -> bytes:
        """The same beyond the first `offset_bytes`."""
        return self.log().encode()[offset_bytes:]

    def end(self) -> None:
        """Kill what still runs, leave nothing."""
        self._open.close()
        self._engine.remove(self._container)

    def _first(self) -> int:
        return int(self._engine.state(self._container)["Pid"])

    @cached_property
    def _cgroup(self) -> Cgroup:
        return self._open.enter_context(Cgroup(self._engine, self._container))


@contextmanager
def local(
    name: str, settings: dict[str, str], etc: Etc = NOTHING, few: bool = False
) -> Iterator[Service]:
    """Start the service, or the backend, as a local process; kill it at the end.

    Where there are files of `etc`, by their names, it sees their lines and no others.
    """
    if few:
        pytest.skip("a limit on processes is for containers")
    begin = partial(ServiceProcess, name, settings)
    with with_etc(etc, begin) if etc else begin() as process:
        yield Service(process)
        process.stop(grace_s=0)  # how it ends in peace is what test_shutdown.py is about


@contextmanager
def with_etc(etc: Etc, begin: Callable[[], ServiceProcess]) -> Iterator[ServiceProcess]:
    """`begin`, in a thread with a mount namespace of its own, where files of /etc are others.

    Skips the test where only an administrator may do so. The thread lives as long as the
    process, which would else be asked to end with it (loadtests/runtime/leash.py).
    """

    def see_them() -> ServiceProcess | None:
        libc = ctypes.CDLL(None)
        if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
            return None
        for name, lines in etc.items():
            with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
                file.write("\n".join([*lines, ""]))
                file.flush()
                os.chmod(file.name, 0o644)
                there = f"/etc/{name}".encode()
                if libc.mount(file.name.encode(), there, None, MS_BIND, None):
                    return None
        return begin()

    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(see_them).result()
        if started is None:
            pytest.skip("another /etc needs a mount namespace, which is not allowed here")
        with started as process:
            yield process


class Containers:
    """Starts services of compose.yaml; builds the image of each before the first one."""

    def __init__(self, folder: Path) -> None:
        reason = compose.why_not()
        if reason:
            pytest.exit(f"--containers: {reason}", returncode=2)
        self._engine = Engine()
        self._otherwise = folder / "otherwise.yaml"
        self._few = folder / "few.yaml"
        for file, keys in ((self._otherwise, OTHERWISE), (self._few, {"pids_limit": FEW})):
            lines = ["services:"]
            for name in catalog.names():
                lines += [f"  {name}:", *(f"    {key}: {value}" for key, value in keys.items())]
            file.write_text("\n".join([*lines, ""]))
        self._project = f"waiting-services-test-{os.getpid()}-{secrets.token_hex(3)}"
        self._built: set[str] = set()

    @contextmanager
    def service(
        self, name: str, settings: dict[str, str], etc: Etc = NOTHING, few: bool = False
    ) -> Iterator[ContainerService]:
        """Start the service `name` with these variables, and no others; kill it at the end."""
        if etc:
            pytest.skip("an /etc of its own is for local processes")
        if name not in self._built:
            self._compose("build", name, files=(self._otherwise,), timeout_s=BUILD_S)
            self._built.add(name)
        settings = {"HOST": "127.0.0.1", **settings}
        variables = [f"--env={variable}={value}" for variable, value in settings.items()]
        container = f"{self._project}-{name}-{secrets.token_hex(3)}"
        files = [settings[variable] for variable in folders.TLS if variable in settings]
        mounts = [f"--volume={file}:{file}:ro" for file in files if Path(file).exists()]
        run = ("run", "--detach", "--no-deps", "--name", container, *variables, *mounts)
        host, certificate = settings["HOST"], settings.get("TLS_CERTIFICATE", "")
        scheme = "https" if certificate else "http"
        url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{settings['PORT']}"
        service = ContainerService(self._engine, container, url, certificate)
        try:
            self._compose(*run, name, files=(self._otherwise, *([self._few] if few else [])))
            yield service
        finally:
            service.end()

    def close(self) -> None:
        """Leave no container of them."""
        self._engine.remove_project(self._project)

    def _compose(self, *arguments: str, files: Sequence[Path], timeout_s: float = 60) -> None:
        named = [part for file in (ROOT / "compose.yaml", *files) for part in ("--file", str(file))]
        # No core of their own: several of them run at a time.
        environment = {**os.environ, "SERVICE_CPUSET": "", "LOAD_CPUSET": ""}
        status, said = docker(
            *("compose", "--project-name", self._project, *named, *arguments),
            environment=environment,
            timeout_s=timeout_s,
        )
        assert status == 0, said[-4000:]
