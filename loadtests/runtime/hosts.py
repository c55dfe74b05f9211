"""The runtime with machines of their own: service and backend by Docker, the load from here.

Their containers have their machine's network, so that nothing of Docker's is between. What
another machine's other processes do cannot be seen from here.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from loadtests.bench import cores, machine
from loadtests.catalog import BACKEND, Service
from loadtests.load import burn
from loadtests.load.address import Address
from loadtests.runtime import Given, LoadProcesses, ServiceFailed, cycles_of, settings_of
from loadtests.runtime.cgroup import Cgroup
from loadtests.runtime.container import ComposeService
from loadtests.runtime.distance import figures, times_from, times_from_here
from loadtests.runtime.engine import PROJECT, EngineError
from loadtests.runtime.generator import start_generator
from loadtests.runtime.guard import Guard
from loadtests.runtime.lease import LAPSES_S, Lease
from loadtests.runtime.local import DESCRIPTORS, LocalRuntime
from loadtests.runtime.places import Place
from loadtests.runtime.process import raise_descriptor_limit
from loadtests.runtime.project import Project, a_name, in_its_network, variables

PROBE = "probe"  # the backend's image on the service's core and port, in compose.yaml


class HostsRuntime:
    """The service on a core of one machine, or `spread`; the backend on another, or beside it."""

    name = "compose"
    here = False

    def __init__(
        self,
        because: str,
        services: list[str],
        settings: dict[str, str],
        spread: bool,
        load_processes: LoadProcesses,
        places: tuple[Place, Place],
    ) -> None:
        self.because = because
        self.services = services
        self.settings = settings
        self._at, self._backend_at = places
        self._beside = self._at.engine is self._backend_at.engine
        self.service_cpus, self._backend_cpus = self._cores(spread)
        self.pinned = bool(self.service_cpus)
        # For its cores, and its null server.
        self._load = LocalRuntime(because, [], {}, load_processes=load_processes)
        self.load_cpus, self.load_processes = self._load.load_cpus, load_processes
        self.backend_url = self._backend_at.url
        near = Address("127.0.0.1", self._backend_at.address.port)
        self._to_backend = near if self._beside else self._backend_at.address
        self.machines = {"service": self._at.describe(), "backend": self._backend_at.describe()}
        self.round_trips: dict[str, dict[str, float]] = {}
        self._cycles_per_ms = 0.0
        self._spread = spread
        self._leases: dict[str, Lease] = {}

    def _cores(self, spread: bool) -> tuple[list[int], list[int]]:
        """Those of the service and of the backend, each of its machine; none of a single one."""
        every = range(self._at.engine.cores)
        if not self._beside:
            return [*(every if spread else every[:1])], [0]
        choice = cores.spread if spread and len(every) > 2 else cores.split
        service, backend = choice(every, known=False) or ((), ())
        return sorted(service), sorted(backend)

    def __enter__(self) -> HostsRuntime:
        raise_descriptor_limit(DESCRIPTORS)
        self._folder = TemporaryDirectory()
        self._project = self._backends = self._project_at(self._at, [*self.services, PROBE])
        if not self._beside:
            self._backends = self._project_at(self._backend_at, [])
        self._projects = [*dict.fromkeys((self._project, self._backends))]
        self._guards = [Guard(one.engine, f"{PROJECT}={one.project}") for one in self._projects]
        try:
            for project in self._projects:
                names = [BACKEND, *(self.services if project is self._project else ())]
                project.check(*names) if os.environ.get("BUILD") == "0" else project.build(*names)
            self._start_backend()
            self._look_around()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _project_at(self, place: Place, names: list[str]) -> Project:
        """A project for containers of these names, and for the backend if it is there."""
        port, url = self._to_backend.port, f"http://{self._to_backend.header}"
        variables_there = {"PORT": f"{place.address.port}", "BACKEND_URL": url}
        about = dict.fromkeys(names, variables_there)
        if place.engine is self._backend_at.engine:
            about[BACKEND] = {"PORT": f"{port}"}
        name = a_name()
        file = Path(self._folder.name, f"{name}.yaml")
        file.write_text(in_its_network(about), encoding="utf-8")
        cpus = self.service_cpus, self._backend_cpus
        return Project(place.engine, name, variables(self.services, *cpus, self._spread), [file])

    def _start_backend(self) -> None:
        self._backends.up(BACKEND)
        self._backends.wait_ready(BACKEND, port=self._backend_at.address.port)
        self._lease(self._backends, BACKEND)

    def _lease(self, project: Project, name: str) -> None:
        self._end_lease(name)
        self._leases[name] = Lease(project.engine, project.container(name))

    def _end_lease(self, name: str) -> None:
        if lease := self._leases.pop(name, None):
            lease.end()

    def _look_around(self) -> None:
        """See that all reach each other, how far they are apart, and how fast the CPUs are."""
        with self._running(PROBE) as container:
            found = {
                "load_service": times_from_here(self._at),
                "load_backend": times_from_here(self._backend_at),
                "service_backend": times_from(self._at.engine, container, self._to_backend),
            }
            self.round_trips = {name: figures(times_ms) for name, times_ms in found.items()}
            command = ("exec", container, "python", "-c", inspect.getsource(burn))
            self._cycles_per_ms = cycles_of(self._at.engine.docker(*command)[1])
            look = ("cat", "/proc/cpuinfo")
            backend = self._backends.container(BACKEND)
            seen = {"service": (self._at, container), "backend": (self._backend_at, backend)}
            for name, (place, there) in seen.items():
                text = place.engine.docker("exec", there, *look)[1]
                self.machines[name]["cpu"] = machine.cpu_model_in(text)

    @contextmanager
    def _running(self, name: str, settings: dict[str, str] | None = None) -> Iterator[str]:
        """A container on the service's machine that is ready, and leased; at the end it is gone."""
        engine, container = self._at.engine, ""
        try:
            self._project.up(name, settings=settings)
            container = self._project.container(name)
            self._lease(self._project, name)
            self._project.wait_ready(name, port=self._at.address.port)
            yield container
            engine.ask("POST", f"/containers/{container}/stop", {"t": "2"})
        finally:
            self._end_lease(name)
            with contextlib.suppress(ServiceFailed):  # cut off it ends by itself
                engine.remove(container or self._project.container(name))

    @contextmanager
    def service(self, service: Service, *, given: Given = None) -> Iterator[ComposeService]:
        """Start the container of `service`, wait until it is ready; remove it at the end.

        After a link was cut all is as before it, once the machines answer; ServiceFailed
        until then.
        """
        self._see_all_answer()
        self._tidy()
        engine, settings = self._at.engine, settings_of(service, self.settings, given)
        try:
            with (
                self._running(service.name, settings) as container,
                Cgroup(engine, container) as cgroup,
            ):
                yield ComposeService(service.name, container, engine, cgroup, self._at.url)
        except ServiceFailed:
            self._see_all_answer()
            raise

    def _see_all_answer(self) -> None:
        """ServiceFailed where a machine does not."""
        for place in (self._at, *(() if self._beside else (self._backend_at,))):
            if told := place.silent():
                raise ServiceFailed(told)

    def _tidy(self) -> None:
        """Remove what a cut link has left, and start the backend anew where it has ended."""
        (backend,) = [*self._backends.engine.found("containers", self._backends.project, BACKEND)]
        for container in self._project.engine.found("containers", self._project.project):
            if container != backend:
                self._project.engine.remove(container)
        if not self._backends.engine.state(backend)["Running"]:
            print("the backend has ended meanwhile, as nobody renewed it: starting it", flush=True)
            self._backends.engine.remove(backend)
            self._start_backend()

    def __exit__(self, *_: object) -> None:
        for project, guard in zip(self._projects, self._guards, strict=True):
            try:
                project.engine.remove_project(project.project)
                guard.dismiss()
            except EngineError:
                guard.leave()
                print(
                    f"{project.engine.endpoint} cannot be reached: what runs there ends by itself "
                    f"within {LAPSES_S} s, and is removed if it answers within the hour",
                    flush=True,
                )
        for name in [*self._leases]:
            self._end_lease(name)
        self._folder.cleanup()

    def disturb(self, fault: str) -> None:
        """Nobody asks for it: a command takes too long to begin and end a fault in time."""
        raise ServiceFailed(f"the backend is on another machine, where {fault} cannot be had")

    def mend(self) -> None:
        """Nothing is to be undone."""

    def null_server(self) -> AbstractContextManager[str]:
        """Start it here: the network is no part of what the generator can do."""
        return self._load.null_server()

    def burn(self) -> float:
        """The cycles in a millisecond of the service's core, as measured when all was started."""
        return self._cycles_per_ms

    def look(self) -> None:
        """The other machines' processes cannot be seen from here."""

    def generator(self, plan: str) -> subprocess.Popen[str]:
        """Start the generator here; it pins itself to the cores the plan names."""
        return start_generator(plan)
