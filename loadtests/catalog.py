"""The services: one folder of `services/` each, and the folder is the registration."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ROOT / "services"
BACKEND = "backend"
# The model of a service that holds one request in each of its processes.
PROCESSES = "processes"

REQUIRED_FILES = (
    "app.py",
    "serve",
    "service.toml",
    "requirements.in",
    "requirements.txt",
    "README.md",
)


class UnknownService(ValueError):
    """A name that no folder has; the text lists those there are."""


@dataclass(frozen=True)
class Service:
    """What `service.toml` says of the service in folder `name`.

    `cannot` gives the reason for each route that its model forbids, and for
    `keep-alive` where it does. `again` is the same service measured a second
    time under another name: what the two differ by is noise.
    """

    name: str
    title: str
    framework: str
    server: str
    client: str
    model: str
    waits: str
    cannot: dict[str, str] = field(default_factory=dict, hash=False)
    again: bool = False

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return SERVICES / self.name

    @property
    def label(self) -> str:
        """Its name in results: the folder's, with an ending where it is measured again."""
        return f"{self.name}-again" if self.again else self.name

    def description(self) -> dict[str, Any]:
        """Its `service.toml`, for the record of a run, and whose second measurement it is."""
        about = {key: value for key, value in asdict(self).items() if key not in ("name", "again")}
        return about | ({"again_of": self.name} if self.again else {})


def names() -> list[str]:
    """The folders that hold a service, sorted."""
    return sorted(
        path.parent.name for path in SERVICES.glob("*/app.py") if path.parent.name != BACKEND
    )


def load(name: str) -> Service:
    """Read one service; UnknownService if there is no such folder."""
    if name not in names():
        raise UnknownService(f"no service {name!r}; there are: {', '.join(names())}")
    try:
        with (SERVICES / name / "service.toml").open("rb") as file:
            return Service(name=name, **tomllib.load(file))
    except (OSError, TypeError, tomllib.TOMLDecodeError) as error:
        raise UnknownService(f"services/{name}/service.toml: {error}") from error


def select(wanted: str | None) -> list[Service]:
    """The services that `SERVICES="a b"` names, all of them where it names none."""
    chosen = (wanted or "").replace(",", " ").split() or names()
    return [load(name) for name in dict.fromkeys(chosen)]
