"""The runtime without Docker: backend, services and generator as local processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from loadtests.bench import cores
from loadtests.catalog import BACKEND, ROOT, Service
from loadtests.load import burn
from loadtests.own.program import started_with
from loadtests.runtime import (
    ALONE,
    Given,
    LoadProcesses,
    ServiceFailed,
    certificate,
    cycles_of,
    environments,
    settings_of,
    strangers,
)
from loadtests.runtime.generator import start_generator
from loadtests.runtime.ports import free_port, is_free
from loadtests.runtime.process import (
    READY_S,
    ServiceProcess,
    affinity,
    leashed,
    raise_descriptor_limit,
)
from loadtests.runtime.tree import ProcessTree

HOST = "127.0.0.1"
EVERY = "0.0.0.0"  # where workers on other machines must reach what listens
# Connections of 5000 users and as many to the backend, with room to spare.
DESCRIPTORS = 12_000
PORT_FREE_S = 5.0
OWN_READY_S = 60.0  # of a service of the reader's own, which may have much to load


class LocalRuntime:
    """Processes on this machine, the service on one core, or `spread`, and the load on others."""

    name = "local"
    here = True

    def __init__(
        self,
        because: str,
        services: list[str],
        settings: dict[str, str],
        spread: bool = False,
        load_processes: LoadProcesses = ALONE,
    ) -> None:
        self.because = because
        self.services = services
        self.settings = settings
        self.load_processes = load_processes
        self.host = EVERY if load_processes.port else HOST
        pair = cores.spread() if spread else cores.split(load=load_processes.here)
        self.pinned = pair is not None
        self._service_cpus: set[int] | None
        self._load_cpus: set[int] | None
        self._service_cpus, self._load_cpus = pair or (None, None)
        self.service_cpus = sorted(self._service_cpus or ())
        self.load_cpus = sorted(self._load_cpus or ())
        self.backend: ServiceProcess | None = None
        self.disturbed = ""  # by this fault
        self.machines: dict[str, dict[str, Any]] = {}
        self.round_trips: dict[str, dict[str, float]] = {}

    @property
    def backend_url(self) -> str:
        """Where the backend listens."""
        assert self.backend is not None, "enter the runtime first"
        return self.backend.url

    def __enter__(self) -> LocalRuntime:
        raise_descriptor_limit(DESCRIPTORS)
        environments.ensure([BACKEND, *self.services])
        self._backend_port = free_port(HOST)
        self._start_backend()
        return self

    def _start_backend(self) -> None:
        address = {"HOST": self.host, "PORT": str(self._backend_port)}
        self.backend = ServiceProcess(BACKEND, address, self._load_cpus)
        try:
            self.backend.wait_ready()
        except BaseException:
            self.backend.stop(grace_s=0)
            raise

    def disturb(self, fault: str) -> None:
        """Kill the backend or stop it with SIGSTOP."""
        assert self.backend is not None, "enter the runtime first"
        self.disturbed = fault
        number = signal.SIGKILL if fault == "kill" else signal.SIGSTOP
        os.kill(self.backend.pid, number)

    def mend(self) -> None:
        """Start it anew on its port, or let it go on."""
        fault, self.disturbed = self.disturbed, ""
        assert self.backend is not None, "enter the runtime first"
        if fault == "kill":
            self.backend.stop(grace_s=0)
            self._start_backend()
        elif fault:
            os.kill(self.backend.pid, signal.SIGCONT)

    def __exit__(self, *_: object) -> None:
        if self.backend is not None:
            self.backend.stop(grace_s=1)

    @contextmanager
    def service(
        self, service: Service, port: int | None = None, *, given: Given = None
    ) -> Iterator[LocalService]:
        """Start `service` on `port`, or on a free one, and wait until it is ready."""
        port = port or free_port()
        settings = {
            "HOST": self.host,
            "PORT": str(port),
            "BACKEND_URL": self.backend_url,
            **settings_of(service, self.settings, given),
        }
        program = started_with(service.own, port, self.backend_url) if service.own else None
        cpus, name = self._service_cpus, service.name
        python = environments.python(service.version) if service.interpreter else None
        with (
            certificate.made(service) as shown,
            ServiceProcess(
                name, settings | shown.files, cpus, service.root, program, python
            ) as process,
        ):
            if service.own:
                process.wait_listening(OWN_READY_S)
            else:
                process.wait_ready()
            yield LocalService(process, shown.text)
        deadline = time.monotonic() + PORT_FREE_S
        while not is_free(port, HOST):
            if time.monotonic() > deadline:
                raise ServiceFailed(f"port {port} was still held after {service.name} had stopped")
            time.sleep(0.02)

    @contextmanager
    def null_server(self) -> Iterator[str]:
        """Start the null server on the service's core and wait until it answers."""
        port = free_port()
        module = ("-m", "loadtests.load.null_server")
        command = leashed(sys.executable, *module, HOST, str(port))
        with affinity(self._service_cpus):
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

    def burn(self) -> float:
        """Measure it in a process of its own, pinned as a service is."""
        command = [sys.executable, "-m", burn.__name__]
        with affinity(self._service_cpus):
            done = subprocess.run(
                command, cwd=ROOT, encoding="utf-8", capture_output=True, check=False
            )
        return cycles_of(done.stdout or done.stderr)

    def look(self) -> strangers.Look | None:
        """All processes: those of the run descend from this one."""
        return strangers.look([os.getpid()])

    def generator(self, plan: str) -> subprocess.Popen[str]:
        """Start the generator; it pins itself to the cores the plan names."""
        return start_generator(plan)


class LocalService(ProcessTree):
    """A service started by its `serve`."""

    def __init__(self, process: ServiceProcess, certificate: str) -> None:
        super().__init__(self._top)
        self._process = process
        self.url, self.certificate = process.url, certificate

    def log_tail(self) -> str:
        """The end of what it wrote."""
        return self._process.log_tail()

    def _top(self) -> list[psutil.Process]:
        """The process that `serve` became; ServiceFailed if it is gone."""
        if self._process.returncode is None:
            with contextlib.suppress(psutil.NoSuchProcess):
                return [psutil.Process(self._process.pid)]
        message = f"{self._process.name} exited with {self._process.returncode} in mid-run"
        raise ServiceFailed(message, self.log_tail())
