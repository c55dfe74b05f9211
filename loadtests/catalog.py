"""The services: each folder of `services/` that has a `service.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loadtests.errors import UsageError, meant
from loadtests.own.file import OwnFile
from loadtests.paths import ROOT as ROOT
from loadtests.paths import SERVICES as SERVICES
from services import folders

BACKEND = folders.BACKEND
# The model of a service that holds one request in each of its processes.
PROCESSES = "processes"
# As people run it; the same tuned; without a client or framework that costs anything; from a
# talk, to learn from; wrong on purpose; what a request costs at least, with no Python at all.
FLOOR = "floor"
OWN = "own"  # a service of the reader's own, which no folder here has
KINDS = ("stock", "tuned", "bare", "lesson", "mistake", FLOOR)
# How a service is spoken to, in a run that measures each both ways; empty in others.
TLS = "TLS"
TRANSPORTS = ("plain HTTP", TLS)
NOT_DESCRIBED = (
    *("name", "again", "revision", "root", "program", "advice", "own", "interpreter"),
    *("tls", "transport"),
)
CORE = ("/", "/fanout", "/composite", "/cpu", "/health", "/info")  # what every service answers
FLOOR_HAS = ("/", "/health", "/info")


class UnknownService(UsageError):
    """A name that no folder has; the text lists those there are."""


@dataclass(frozen=True)
class Interpreter:
    """A Python of services: its `mark` in results, such as 3.14t, where it is and which."""

    mark: str
    path: Path
    version: str
    prefix: str  # of its installation, which a virtual environment of it has, too


@dataclass(frozen=True)
class Service:
    """The `service.toml` of the service `name`.

    `kind` is one of KINDS, `offers` are the routes beside the core ones. `exceptions`
    gives the reason for each rule of the contract that it does not keep, by the name
    of the rule. `limit` names what bounds its requests in flight where CONCURRENCY is
    not set: the harness leaves that unset for it. `program` is a program that it runs and
    PyPI does not have: the Debian package of that name has it. `advice` are the settings of
    its server and client, as people write them (advise/change.py). `again` is the same service
    measured a second time under another name: what the two differ by is noise. `revision`
    marks one of another checkout, whose `services` folder is `root`. One that is
    not of this repository is described by its `own` file. One that runs on another `interpreter`
    than this one is named with its mark. `tls` says that its server offers TLS; where a run
    measures it without and with it `transport` is one of TRANSPORTS.
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
    program: str = ""
    advice: dict[str, str] = field(default_factory=dict, hash=False)
    again: bool = False
    revision: str = ""
    root: Path | None = None
    own: OwnFile | None = field(default=None, hash=False)
    interpreter: Interpreter | None = None
    tls: bool = False
    transport: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS and not self.own:
            raise TypeError(f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")

    @property
    def folder(self) -> Path:
        """Its own folder, which holds what differs from the folders above."""
        return folders.chain(self.name, self.root or SERVICES)[0]

    @property
    def label(self) -> str:
        """Its name in results: the folder's, with an ending where there are two of that name."""
        return f"{self.version}-again" if self.again else self.version

    @property
    def version(self) -> str:
        """Its name, and which revision or interpreter it is of, or that it speaks TLS."""
        mark = self.revision or (self.interpreter.mark if self.interpreter else "")
        mark = mark or ("tls" if self.transport == TLS else "")
        return f"{self.name}@{mark}" if mark else self.name

    def has(self, route: str) -> bool:
        """True if it answers that route; one of the reader's own has one that stands for `/`."""
        if self.own:
            return route == "/"
        core = FLOOR_HAS if self.kind == FLOOR else CORE
        return route in core or route in self.offers

    def description(self) -> dict[str, Any]:
        """Its `service.toml`, for the record of a run, and whose second measurement it is."""
        about = {key: value for key, value in asdict(self).items() if key not in NOT_DESCRIBED}
        about["offers"] = list(self.offers)
        about |= {"file": self.own.file.name} if self.own else {}
        about |= {"python": self.interpreter.mark} if self.interpreter else {}
        about |= {"transport": self.transport} if self.transport else {}
        return about | ({"again_of": self.version} if self.again else {})


def names() -> list[str]:
    """The services there are, sorted."""
    return folders.names(SERVICES)


def load(name: str, root: Path | None = None) -> Service:
    """Read one service; UnknownService if there is no such folder, or its service.toml is wrong.

    `root` is the `services` folder of another checkout.
    """
    services = root or SERVICES
    if name == BACKEND:
        raise UnknownService(f"no service {name!r}; it is what they wait for")
    try:
        file = folders.chain(name, services)[0] / "service.toml"
    except folders.UnknownFolder as error:
        raise UnknownService(f"{error}{meant(name, folders.names(services))}") from error
    try:
        about = tomllib.loads(file.read_text(encoding="utf-8"))
        offers = tuple(about.get("offers", ()))
        inherited = {"offers": offers, "advice": folders.advice(name, services)}
        about |= {**inherited, "tls": _offers_tls(name, services)}
        return Service(name=name, root=root, **about)
    except (OSError, TypeError, tomllib.TOMLDecodeError) as error:
        raise UnknownService(f"{file.relative_to(services.parent)}: {error}") from error


def _offers_tls(name: str, services: Path) -> bool:
    """`tls` as the service says it, or else the nearest folder above that does."""
    said = (folders.about(folder).get("tls") for folder in folders.chain(name, services))
    return bool(next((value for value in said if value is not None), False))


def select(wanted: str | None) -> list[Service]:
    """The services that `SERVICES="a b"` names, all of them where it names none."""
    chosen = (wanted or "").replace(",", " ").split() or names()
    return [load(name) for name in dict.fromkeys(chosen)]
