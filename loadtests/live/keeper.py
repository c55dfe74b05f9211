"""Keeps the services up that the web UI asks for, and tells it what they use.

It runs beside Locust, which may be in a container and then sees neither processes nor Docker.
"""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from typing import Any

from loadtests.catalog import Service
from loadtests.report.charts.theme import HUES, OTHER
from loadtests.report.results.waiting import thing_that_waits
from loadtests.runtime import Running, ServiceFailed
from loadtests.runtime.environments import InstallError
from loadtests.runtime.process import fetch

EVERY_S = 0.5  # it asks
LOOK_EVERY_S = 1.0
TIMEOUT_S = 10.0  # for an answer: Locust may have more to do than it can
ABOUT = ("title", "model", "waits", "kind")


@dataclass
class _Up:
    running: Running
    stack: ExitStack


class Keeper:
    """The services, started by `start` when the web UI at `url` asks for them.

    Left, none of them runs any more.
    """

    def __init__(
        self,
        url: str,
        services: list[Service],
        start: Callable[[Service], AbstractContextManager[Running]],
    ) -> None:
        self._url = url
        self._services = {service.name: service for service in services}
        self._start = start
        self._up: dict[str, _Up] = {}
        self._failed: dict[str, str] = {}
        self._loaded: set[str] = set()
        self._looked = 0.0

    def __enter__(self) -> Keeper:
        return self

    def __exit__(self, *_: object) -> None:
        with ThreadPoolExecutor() as pool:  # each may take its time to finish what is in flight
            list(pool.map(lambda up: up.stack.close(), self._up.values()))

    def keep(self, goes_on: Callable[[], bool]) -> None:
        """Do as the web UI asks until `goes_on()` says no."""
        about: dict[str, Any] = {
            name: {key: getattr(service, key) for key in ABOUT} | {"hues": _hues(service)}
            for name, service in self._services.items()
        }
        while goes_on():
            try:
                wanted = self._exchange({"about": about} if about else {})
            except (OSError, http.client.HTTPException):
                time.sleep(EVERY_S)  # it has ended, or has too much to do
                continue
            about = {}
            for name in wanted:
                if name not in self._up:
                    self._bring_up(self._services[name])
            time.sleep(EVERY_S)

    def _exchange(self, more: dict[str, Any]) -> list[str]:
        """Tell the web UI what is up, and what it uses; what should be up."""
        uses: dict[str, tuple[float, int | None]] = {}
        if time.monotonic() - self._looked >= LOOK_EVERY_S:
            self._looked = time.monotonic()
            uses = self._uses()
        said = {"up": list(self._up), "failed": self._failed, "uses": uses, **more}
        headers = {"Content-Type": "application/json"}
        url = f"{self._url}/live/keeper"
        status, told = fetch(url, "POST", headers, TIMEOUT_S, json.dumps(said))
        if status != 200:
            raise http.client.HTTPException(f"{url} was answered with {status}")
        answer = json.loads(told)
        self._failed, self._loaded = {}, set(answer["loaded"])
        wanted: list[str] = answer["wanted"]
        return wanted

    def _uses(self) -> dict[str, tuple[float, int | None]]:
        """CPU time so far, and memory where there is load, which takes longer to look up.

        A service that has ended is up no more.
        """
        uses = {}
        for name, up in list(self._up.items()):
            try:
                cpu_s, pss_bytes = up.running.usage().cpu_s, None
                if name in self._loaded:
                    pss_bytes = up.running.footprint(switches=False).pss_bytes
            except ServiceFailed as error:
                self._failed[name] = str(error)
                del self._up[name]
                up.stack.close()
                continue
            uses[name] = (cpu_s, pss_bytes)
        return uses

    def _bring_up(self, service: Service) -> None:
        with ExitStack() as stack:
            try:
                running = stack.enter_context(self._start(service))
            except (ServiceFailed, InstallError) as error:
                last = getattr(error, "log_tail", "").strip().splitlines()[-1:]
                self._failed[service.name] = ": ".join([str(error), *last])
                return
            self._up[service.name] = _Up(running, stack.pop_all())


def _hues(service: Service) -> tuple[str, str]:
    """Its colours on white and on dark paper, as in all charts: by what waits."""
    return HUES.get(thing_that_waits(service.waits).removeprefix("a "), HUES[OTHER])
