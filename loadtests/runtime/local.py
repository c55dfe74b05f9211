"""The runtime without Docker: backend, services and generator as local processes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from loadtests.bench import machine
from loadtests.catalog import BACKEND, ROOT, Service
from loadtests.runtime import ServiceFailed, Usage, environments, footprint, settings_of
from loadtests.runtime.process import (
    READY_S,
    ServiceProcess,
    affinity,
    free_port,
    is_free,
    raise_descriptor_limit,
)

HOST = "127.0.0.1"
# Connections of 5000 users and as many to the backend, with room to spare.
DESCRIPTORS = 12_000
PORT_FREE_S = 5.0


class LocalRuntime:
    """Processes on this machine, the service on one core and the load on another."""

    name = "local"

    def __init__(self, because: str, services: list[str], settings: dict[str, str]) -> None:
        self.because = because
        self.services = services
        self.settings = settings
        cores = machine.split_cores()
        self.pinned = cores is not None
        self.service_cpus: set[int] | None
        self._load_cpus: set[int] | None
        self.service_cpus, self._load_cpus = cores or (None, None)
        self.load_cpus = sorted(self._load_cpus or ())
        self.backend: ServiceProcess | None = None

    @property
    def backend_url(self) -> str:
        """Where the backend listens."""
        assert self.backend is not None, "enter the runtime first"
        return self.backend.url

    def __enter__(self) -> LocalRuntime:
        raise_descriptor_limit(DESCRIPTORS)
        environments.ensure([BACKEND, *self.services])
        address = {"HOST": HOST, "PORT": str(free_port(HOST))}
        self.backend = ServiceProcess(BACKEND, address, self._load_cpus)
        try:
            self.backend.wait_ready()
        except BaseException:
            self.backend.stop(grace_s=0)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        if self.backend is not None:
            self.backend.stop(grace_s=1)

    @contextmanager
    def service(
        self, service: Service, port: int | None = None, *, workers: int | None = None
    ) -> Iterator[LocalService]:
        """Start `service` on `port`, or on a free one, and wait until it is ready."""
        port = port or free_port()
        settings = {
            "HOST": HOST,
            "PORT": str(port),
            "BACKEND_URL": self.backend_url,
            **settings_of(service, self.settings, workers),
        }
        with ServiceProcess(service.name, settings, self.service_cpus) as process:
            process.wait_ready()
            yield LocalService(process)
        deadline = time.monotonic() + PORT_FREE_S
        while not is_free(port, HOST):
            if time.monotonic() > deadline:
                raise ServiceFailed(f"port {port} was still held after {service.name} had stopped")
            time.sleep(0.02)

    @contextmanager
    def null_server(self) -> Iterator[str]:
        """Start the null server on the service's core and wait until it answers."""
        port = free_port()
        command = [sys.executable, "-m", "loadtests.load.null_server", HOST, str(port)]
        with affinity(self.service_cpus):
            process = subprocess.Popen(command, cwd=ROOT, start_new_session=True)
        try:
            deadline = time.monotonic() + READY_S
            while is_free(port, HOST):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise ServiceFailed("the null server did not start")
                time.sleep(0.02)
            yield f"http://{HOST}:{port}"
        finally:
            process.kill()
            process.wait()

    def generator(self, plan: str) -> subprocess.Popen[str]:
        """Start the generator; it pins itself to the cores the plan names."""
        return subprocess.Popen(
            [sys.executable, "-m", "loadtests.load.generator", plan],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )


class LocalService:
    """A service started by its `serve`."""

    def __init__(self, process: ServiceProcess) -> None:
        self._process = process
        self.url = process.url

    def log_tail(self) -> str:
        """The end of what it wrote."""
        return self._process.log_tail()

    def usage(self) -> Usage:
        """CPU and memory of the process and all its descendants; ServiceFailed if it is gone."""
        cpu_s, rss_bytes = 0.0, 0
        for process in self._tree():
            try:
                cpu_s += cpu_s_of(process)
                rss_bytes += process.memory_info().rss
            except psutil.NoSuchProcess:
                continue
        return Usage(cpu_s, rss_bytes)

    def footprint(self, switches: bool) -> footprint.Footprint:
        """What the tree holds; ServiceFailed if it is gone."""
        return footprint.of(self._tree(), switches)

    def _tree(self) -> list[psutil.Process]:
        if self._process.returncode is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                top = psutil.Process(self._process.pid)
                return [top, *top.children(recursive=True)]
        message = f"{self._process.name} exited with {self._process.returncode} in mid-run"
        raise ServiceFailed(message, self.log_tail())


def cpu_s_of(process: psutil.Process) -> float:
    """CPU time of all threads of `process`; NoSuchProcess where it is gone."""
    # The system counts ticks of 10 ms, fifty requests of a fast service; its clocks count
    # nanoseconds. What makes a clock of a pid is CPUCLOCK_SCHED in Linux's posix-timers.h.
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            return time.clock_gettime(~process.pid << 3 | 2)
    times = process.cpu_times()
    return float(times.user + times.system)
