"""Machines of their own: what SERVICE_HOST, BACKEND_HOST and their addresses say.

The connecting is Docker's: a host is what DOCKER_HOST takes, or the name of one of its contexts.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from loadtests.load.address import Address
from loadtests.runtime import UnknownRuntime
from loadtests.runtime.engine import Engine, EngineError

VARIABLES = ("SERVICE_HOST", "SERVICE_ADDRESS", "BACKEND_HOST", "BACKEND_ADDRESS")
PORTS = {"SERVICE": 8080, "BACKEND": 8081}  # which may be on one machine
OLDEST_API = (1, 41)  # of Docker 20.10, the first with private cgroups


@dataclass(frozen=True)
class Place:
    """An Engine, as a `variable` names it, and where one port of its machine is reached."""

    variable: str
    engine: Engine
    address: Address

    @property
    def url(self) -> str:
        """That of a server there."""
        return f"http://{self.address.header}"

    def describe(self) -> dict[str, Any]:
        """The machine, for the record of a run; without the user of an ssh."""
        about = self.engine.about
        system = f"{about['OperatingSystem']}, Linux {about['KernelVersion']}"
        return {
            "name": about["Name"],
            "host": re.sub("//[^/@]*@", "//", self.engine.endpoint),
            "address": self.address.header,
            "cores": about["NCPU"],
            "memory_bytes": about["MemTotal"],
            "system": f"{system} {about['Architecture']}",
            "engine": about["ServerVersion"],
        }

    def silent(self) -> str:
        """A sentence where its Engine does not answer now; empty where it does."""
        try:
            self.engine.ask("GET", "/version", timeout_s=5)
        except EngineError:
            cut = "the link to it was cut, or the machine has stopped"
            return f"{self.variable}={self.engine.endpoint} does not answer: {cut}"
        return ""


def asked() -> bool:
    """Whether the environment names machines; UnknownRuntime where it lacks that of the service."""
    named = [name for name in VARIABLES if os.environ.get(name)]
    if named and "SERVICE_HOST" not in named:
        raise UnknownRuntime(f"{named[0]} is set and SERVICE_HOST, the service's machine, is not")
    return bool(named)


def read() -> tuple[Place, Place]:
    """The places of the service and of the backend, which is beside it by default.

    UnknownRuntime where one cannot be used, with what to do.
    """
    hosts = {name: os.environ.get(f"{name}_HOST", "") for name in PORTS}
    service = _place("SERVICE", _engine("SERVICE", hosts["SERVICE"]))
    if hosts["BACKEND"] in ("", hosts["SERVICE"]):
        there = Place("SERVICE_HOST", service.engine, _beside(service))
        return service, there
    return service, _place("BACKEND", _engine("BACKEND", hosts["BACKEND"]))


def _beside(service: Place) -> Address:
    text = os.environ.get("BACKEND_ADDRESS", "")
    return _address("BACKEND", text) if text else Address(service.address.host, PORTS["BACKEND"])


def _engine(name: str, host: str) -> Engine:
    """The Engine of a host, new enough and of Linux; UnknownRuntime otherwise."""
    if shutil.which("docker") is None:
        raise UnknownRuntime(f"{name}_HOST needs the docker command here, with its Compose")
    try:
        engine = Engine(host)
        version = engine.ask("GET", "/version", timeout_s=10)
        if engine.docker("compose", "version", timeout_s=10)[0]:
            raise UnknownRuntime(f"{name}_HOST: the docker command here has no Compose v2")
    except EngineError as error:
        told = f"try `docker --host {host} version`" if "://" in host else "see `docker context ls`"
        raise UnknownRuntime(f"{name}_HOST={host}: {error}; {told}") from None
    if tuple(map(int, version["ApiVersion"].split("."))) < OLDEST_API:
        old = f"Docker {version['Version']} there is too old, 20.10 is needed"
        raise UnknownRuntime(f"{name}_HOST={host}: {old}")
    if engine.about["OSType"] != "linux":
        raise UnknownRuntime(f"{name}_HOST={host}: its containers are not Linux's")
    return engine


def _place(name: str, engine: Engine) -> Place:
    text = os.environ.get(f"{name}_ADDRESS", "") or _hostname(engine.endpoint)
    if not text:
        told = f"{name}_ADDRESS must say where it is reached from the other machines"
        raise UnknownRuntime(f"{name}_HOST={engine.endpoint}: {told}")
    return Place(f"{name}_HOST", engine, _address(name, text))


def _address(name: str, text: str) -> Address:
    """The number and the port in `text`, a host or host:port; UnknownRuntime where it is none."""
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname or "", parts.port or PORTS[name]
        found = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_STREAM)
    except (ValueError, OSError):
        told = f"say where it is reached, as {name}_ADDRESS=10.0.0.1 or 10.0.0.1:{PORTS[name]}"
        raise UnknownRuntime(f"no machine is known here as {text!r}: {told}") from None
    return Address(str(found[0][4][0]), port)


def _hostname(endpoint: str) -> str:
    return urlsplit(endpoint).hostname or ""
