"""The services: one folder of `services/` each, and the folder is the registration."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SERVICES = ROOT / "services"
BACKEND = "backend"

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
    """What `service.toml` says of the service in folder `name`."""

    name: str
    title: str
    framework: str
    server: str
    client: str
    model: str
    waits: str

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return SERVICES / self.name

    def description(self) -> dict[str, str]:
        """Its `service.toml`, for the record of a run."""
        return {key: value for key, value in asdict(self).items() if key != "name"}


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
