"""`make ui`: the backend and Locust's web UI until Ctrl-C; services start when they are chosen."""

from __future__ import annotations

import contextlib
import http.client
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from loadtests.catalog import ROOT, Service
from loadtests.live.keeper import Keeper
from loadtests.runtime import Running, ServiceFailed, environments
from loadtests.runtime.compose import ComposeRuntime
from loadtests.runtime.container import ended, log_tail
from loadtests.runtime.local import HOST, LocalRuntime
from loadtests.runtime.ports import free_port
from loadtests.runtime.process import READY_S, affinity, fetch, leashed


def run(runtime: LocalRuntime | ComposeRuntime, services: list[Service], port: int) -> int:
    """Locust's status when it ends; ServiceFailed where backend or Locust do not start."""
    url = f"http://{HOST}:{port}"
    if isinstance(runtime, LocalRuntime):
        runtime.services = []
        with runtime:
            return _run_locally(runtime, services, url)
    with runtime:
        return _run_in_containers(runtime, services, url)


def _run_locally(runtime: LocalRuntime, services: list[Service], url: str) -> int:
    """A service is installed, and listens on its port, when it is chosen for the first time."""
    ports = {service.name: free_port() for service in services}

    @contextmanager
    def start(service: Service) -> Iterator[Running]:
        environments.ensure([service.name])
        with runtime.service(service, ports[service.name]) as running:
            yield running

    variables = {
        "TARGETS": " ".join(f"{name}=http://{HOST}:{port}" for name, port in ports.items()),
        "BACKEND_URL": runtime.backend_url,
    }
    with Keeper(url, services, start) as keeper, _locust(runtime, url, variables) as locust:

        def is_up() -> bool:
            return locust.poll() is None

        if _answers(url, is_up):
            _invite(url)
            keeper.keep(is_up)
        return locust.wait()


def _run_in_containers(runtime: ComposeRuntime, services: list[Service], url: str) -> int:
    port = url.rpartition(":")[2]
    runtime.up("locust", "locust-worker", settings={"UI_PORT": port})
    locust = runtime.container("locust")

    def is_up() -> bool:
        return bool(runtime.engine.state(locust).get("Running"))

    with Keeper(url, services, runtime.service) as keeper, ExitStack() as load:
        for name in ("locust", "locust-worker"):  # before the services: nothing is in flight then
            load.callback(runtime.engine.remove, runtime.container(name))
        if _answers(url, is_up):
            _invite(url)
            keeper.keep(is_up)
        said = f"Locust {ended(runtime.engine, locust)}"
        raise ServiceFailed(said, log_tail(runtime.engine, locust))


@contextmanager
def _locust(
    runtime: LocalRuntime, url: str, variables: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Locust on the core of the load; at the end it is gone."""
    locustfile = str(ROOT / "loadtests" / "locustfile.py")
    address = ("--web-host", HOST, "--web-port", url.rpartition(":")[2])
    with affinity(set(runtime.load_cpus) or None):
        locust = subprocess.Popen(
            leashed(sys.executable, "-m", "locust", "-f", locustfile, *address),
            cwd=ROOT,
            env={**os.environ, "HOME": os.devnull, **variables},  # without ~/.locust.conf
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
    try:
        yield locust
    finally:
        locust.terminate()
        try:
            locust.wait(5)
        except subprocess.TimeoutExpired:
            locust.kill()
            locust.wait()


def _answers(url: str, is_up: Callable[[], bool]) -> bool:
    """Wait for the web UI; False where Locust ends before, ServiceFailed where it says nothing."""
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if not is_up():
            return False
        with contextlib.suppress(OSError, http.client.HTTPException):
            if fetch(url, timeout_s=2)[0] == 200:
                return True
        time.sleep(0.05)
    raise ServiceFailed(f"Locust's web UI did not come up within {READY_S:g} s")


def _invite(url: str) -> None:
    print(f"Locust's web UI: {url}   services side by side: {url}/live/", flush=True)
    print("Ctrl-C takes everything down", flush=True)
