"""The services: each folder of `services/` that has a `service.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from services import folders

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ROOT / "services"
BACKEND = folders.BACKEND
# The model of a service that holds one request in each of its processes.
PROCESSES = "processes"
# What people run; the same tuned; without a client or framework that costs anything; from a
# talk, to learn from; wrong on purpose.
KINDS = ("stock", "tuned", "bare", "lesson", "mistake")
CORE = ("/", "/fanout", "/composite", "/cpu", "/health", "/info")  # what every service answers


class UnknownService(ValueError):
    """A name that no folder has; the text lists those there are."""


@dataclass(frozen=True)
class Service:
    """What `service.toml` says of the service `name`.

    `kind` is one of KINDS, `offers` are the routes beside the core ones. `exceptions`
    gives the reason for each rule of the contract that it does not keep, by the name
    of the rule. `limit` names what bounds its requests in flight where CONCURRENCY is
    not set: the harness leaves that unset for it. `again` is the same service measured
    a second time under another name: what the two differ by is noise.
    """

    name: str
    title: str
    framework: str
    server: str
    client: str
    model: str
    waits: str
    kind: str
    offers: tuple[str, ...] = ()
    exceptions: dict[str, str] = field(default_factory=dict, hash=False)
    limit: str = ""
    again: bool = False

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise TypeError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")

    @property
    def folder(self) -> Path:
        """Its own folder, which holds what differs from the folders above."""
        return folders.chain(self.name, SERVICES)[0]

    @property
    def label(self) -> str:
        """Its name in results: the folder's, with an ending where it is measured again."""
        return f"{self.name}-again" if self.again else self.name

    def has(self, route: str) -> bool:
        """Whether it answers that route."""
        return route in CORE or route in self.offers

    def description(self) -> dict[str, Any]:
        """Its `service.toml`, for the record of a run, and whose second measurement it is."""
        about = {key: value for key, value in asdict(self).items() if key not in ("name", "again")}
        about["offers"] = list(self.offers)
        return about | ({"again_of": self.name} if self.again else {})


def names() -> list[str]:
    """The services there are, sorted."""
    return folders.names(SERVICES)


def load(name: str) -> Service:
    """Read one service; UnknownService if there is no such folder, or its service.toml is wrong."""
    if name == BACKEND:
        raise UnknownService(f"no service {name!r}; it is what they wait for")
    try:
        file = folders.chain(name, SERVICES)[0] / "service.toml"
    except folders.UnknownFolder as error:
        raise UnknownService(str(error)) from error
    try:
        about = tomllib.loads(file.read_text())
        return Service(name=name, **{**about, "offers": tuple(about.get("offers", ()))})
    except (OSError, TypeError, tomllib.TOMLDecodeError) as error:
        raise UnknownService(f"{file.relative_to(SERVICES.parent)}: {error}") from error


def select(wanted: str | None) -> list[Service]:
    """The services that `SERVICES="a b"` names, all of them where it names none."""
    chosen = (wanted or "").replace(",", " ").split() or names()
    return [load(name) for name in dict.fromkeys(chosen)]
