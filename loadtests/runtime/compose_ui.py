"""`make ui` in containers: backend, services, and Locust's web UI with a worker."""

from __future__ import annotations

import contextlib
import http.client
import time
from typing import NoReturn

from loadtests.catalog import Service
from loadtests.runtime import ServiceFailed
from loadtests.runtime.compose import ComposeRuntime, ended, log_tail
from loadtests.runtime.engine import Engine
from loadtests.runtime.process import READY_S, fetch

UI = "http://127.0.0.1:8089"


def run_ui(services: list[Service], settings: dict[str, str]) -> NoReturn:
    """Backend, services and Locust's web UI in containers, until it ends: ServiceFailed."""
    names = [service.name for service in services]
    with ComposeRuntime("make ui", names, settings) as runtime:
        runtime.up(*names, "locust", "locust-worker")
        for name in names:
            runtime.wait_ready(name)
        locust = runtime.container("locust")
        _wait_for_ui(runtime.engine, locust)
        print(f"Locust's web UI: {UI}   Ctrl-C takes everything down", flush=True)
        runtime.engine.ask("POST", f"/containers/{locust}/wait", timeout_s=None)
        raise ServiceFailed(f"Locust {ended(runtime.engine, locust)}", log_tail(locust))


def _wait_for_ui(engine: Engine, locust: str) -> None:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline and engine.state(locust).get("Running"):
        with contextlib.suppress(OSError, http.client.HTTPException):
            if fetch(UI, timeout_s=2)[0] == 200:
                return
        time.sleep(0.05)
    raise ServiceFailed("Locust's web UI did not come up", log_tail(locust))
