"""A Compose project on one Engine: its containers are built, started, found and awaited."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from loadtests.catalog import ROOT
from loadtests.paths import CACHE
from loadtests.runtime import ServiceFailed
from loadtests.runtime.container import PORT, ended, log_tail
from loadtests.runtime.engine import Engine, EngineError
from loadtests.runtime.environments import InstallError
from loadtests.runtime.process import LOG_TAIL_BYTES, READY_S

BUILD_S = 1800.0

# Runs inside the container, with its environment: nothing of it can be reached from here.
WAIT_READY = """
import http.client, os, ssl, sys, time
certificate, where = os.environ.get("TLS_CERTIFICATE"), ("127.0.0.1", int(sys.argv[1]))
while True:
    try:
        server = http.client.HTTPConnection(*where, timeout=1)
        if certificate:
            context = ssl.create_default_context(cafile=certificate)
            server = http.client.HTTPSConnection(*where, timeout=1, context=context)
        server.request("GET", "/health")
        if server.getresponse().status == 200:
            break
    except (OSError, http.client.HTTPException):
        time.sleep(0.02)
"""


def a_name() -> str:
    """A name that no other project has, which begins with this process's."""
    return f"waiting-services-{os.getpid()}-{secrets.token_hex(3)}"


class Project:
    """That of compose.yaml, and `files` that say more, with `variables` for Compose."""

    def __init__(
        self, engine: Engine, project: str, variables: dict[str, str], files: Sequence[Path] = ()
    ) -> None:
        self.engine = engine
        self.project = project
        self.variables = variables
        self.files = files

    def build(self, *names: str) -> None:
        """Build their images, where the Engine is; InstallError with Compose's words."""
        print("building the images that have changed", flush=True)
        status, said = self._compose("--progress", "plain", "build", *names, timeout_s=BUILD_S)
        if status:
            raise InstallError(f"the images could not be built:\n{said[-LOG_TAIL_BYTES:]}")

    def check(self, *names: str) -> None:
        """See that their images are there already; InstallError where one is not."""
        where, ask = self.engine.endpoint, self.engine.ask
        print(f"BUILD=0: the images are those that {where} has", flush=True)
        images = [f"waiting-services-{name}" for name in names]
        lacking = [image for image in images if ask("GET", f"/images/{image}/json") is None]
        if lacking:
            bring = f"docker save {' '.join(lacking)} | docker --host {where} load"
            raise InstallError(f"{where} lacks {', '.join(lacking)}: {bring}")

    def up(
        self, *names: str, settings: dict[str, str] | None = None, files: Sequence[Path] = ()
    ) -> None:
        """Start containers of compose.yaml with `settings`; ServiceFailed with Compose's words.

        More `files` of Compose's may say more of them.
        """
        up = ("up", "--detach", "--no-deps", "--no-build")
        status, said = self._compose(*up, *names, settings=settings, files=files)
        if status:
            raise ServiceFailed(f"{', '.join(names)} could not be started", said[-LOG_TAIL_BYTES:])

    def container(self, name: str) -> str:
        """The id of the container of `name`; ServiceFailed if there is none."""
        found = self.engine.found("containers", self.project, name)
        if not found:
            raise ServiceFailed(f"there is no container of {name}")
        return found[0]

    def wait_ready(self, name: str, timeout_s: float = READY_S, port: int = PORT) -> None:
        """Wait until `/health` says 200; ServiceFailed after `timeout_s` or if it exits."""
        container = self.container(name)
        wait = ("python", "-c", WAIT_READY, str(port))
        try:
            status, _ = self.engine.docker("exec", container, *wait, timeout_s=timeout_s)
        except EngineError:
            message = f"{name} was not ready within {timeout_s:g} s"
            raise ServiceFailed(message, log_tail(self.engine, container)) from None
        if status:
            said = f"{name} {ended(self.engine, container)} before it was ready"
            raise ServiceFailed(said, log_tail(self.engine, container))

    def command(self, *arguments: str, files: Sequence[Path] = ()) -> list[str]:
        """Arguments of `docker` for this project."""
        every = (ROOT / "compose.yaml", *self.files, *files)
        named = [part for file in every for part in ("--file", str(file))]
        project = ("--project-name", self.project, *named)
        # No file .env: the local runtime reads none either.
        return ["compose", "--env-file", os.devnull, *project, *arguments]

    def _compose(
        self,
        *arguments: str,
        settings: dict[str, str] | None = None,
        files: Sequence[Path] = (),
        timeout_s: float = 60,
    ) -> tuple[int, str]:
        return self.engine.docker(
            *self.command(*arguments, files=files),
            environment={**os.environ, **self.variables, **(settings or {})},
            timeout_s=timeout_s,
        )

    def run(self, *arguments: str) -> tuple[int, str]:
        """`docker compose run` with these arguments: exit status and output."""
        return self._compose("run", *arguments)


def variables(
    services: Iterable[str], service_cpus: Sequence[int], load_cpus: Sequence[int], spread: bool
) -> dict[str, str]:
    """Those of compose.yaml for these services on these cores, which the service fills if `spread`.

    What the environment says of limits counts before that.
    """
    number = max(1, len(service_cpus))
    limits = {"SERVICE_CPUS": f"{number}", "SERVICE_MEMORY": f"{number}g"} if spread else {}
    if len(load_cpus) > 1 and not spread:  # a process of the load on each
        limits |= {"LOAD_CPUS": f"{len(load_cpus)}"}
    return {
        **{name: value for name, value in limits.items() if name not in os.environ},
        "BUILDX_CONFIG": str(CACHE / "buildx"),  # not in the home folder
        "SERVICE_CPUSET": ",".join(map(str, service_cpus)),
        "LOAD_CPUSET": ",".join(map(str, load_cpus)),
        "HEALTH_INTERVAL": "24h",  # none while we measure
        "TARGETS": " ".join(services),
    }


def in_its_network(about: Mapping[str, Mapping[str, str]]) -> str:
    """A file for Compose beside compose.yaml: services in their machine's network, with variables.

    The backlog is the machine's, too, which has 4096 since Linux 5.4.
    """
    lines = ["services:"]
    for name, environment in about.items():
        lines += [
            f"  {name}:",
            "    network_mode: host",
            "    networks: !reset null",
            "    sysctls: !reset null",
            f"    environment: {json.dumps(environment)}",
        ]
    return "\n".join([*lines, ""])
