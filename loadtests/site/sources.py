"""The files of a service, those of the folders above it included, and its differences to others."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from loadtests import catalog, diff
from loadtests.catalog import SERVICES
from loadtests.report.tables.controlled import PAIRS
from services import folders

LESSON = "lesson"
FIRST = ("app.py", "client.py", "serve")  # the exhibit, in the order in which one reads it


@dataclass(frozen=True)
class Source:
    """A file: its name, its path below `services/`, its text, and the service it is from.

    `owner` is that service where it is another one than the one that is shown, else empty.
    """

    name: str
    path: str
    text: str
    owner: str


@dataclass(frozen=True)
class Pair:
    """Two services and the things in which they differ, where that is one thing only."""

    one: str
    other: str
    thing: str

    @property
    def page(self) -> str:
        return f"pairs/{self.one}--{self.other}.html"

    def differences(self) -> list[str]:
        """As `make diff` prints them."""
        return list(diff.differences(self.one, self.other))


def of(service: str) -> list[Source]:
    """The files of a service."""
    found = folders.modules(service, SERVICES)
    for name in ("serve", "requirements.in", "service.toml"):
        found[name] = folders.find(service, name, SERVICES)
    order = [*FIRST, *sorted(found.keys() - set(FIRST))]
    return [_source(service, name, found[name]) for name in order if name in found]


def pairs() -> list[Pair]:
    """Those that differ in one thing, and each variant beside the service it is one of."""
    known = set(catalog.names())
    found = {
        (one, other): Pair(one, other, thing)
        for thing, of_thing in PAIRS.items()
        for one, other in of_thing
        if {one, other} <= known
    }
    for name in sorted(known):
        above = parent(name)
        if above and not {(above, name), (name, above)} & found.keys():
            found[above, name] = Pair(above, name, "")
    return list(found.values())


def parent(service: str) -> str:
    """The service of which it is a variant; empty where it is none."""
    above = folders.chain(service, SERVICES)[1:]
    return next((_name(folder) for folder in above if (folder / "service.toml").is_file()), "")


def _name(folder: Path) -> str:
    return "-".join(folder.relative_to(SERVICES).parts)


def _owner(service: str, path: Path) -> str:
    """The service whose page shows a file; empty where each one's own does.

    A folder that is no service is that of all below it. The first one shows its files; those that
    say how it waits stand on the page of each, but for lessons.
    """
    folder = path.parent
    if (folder / "service.toml").is_file():
        return _name(folder)
    if path.name in FIRST and catalog.load(service).kind != LESSON:
        return ""
    return next(name for name in catalog.names() if folder in folders.chain(name, SERVICES))


def _source(service: str, name: str, path: Path) -> Source:
    owner = _owner(service, path)
    relative = path.relative_to(SERVICES).as_posix()
    return Source(
        name, relative, path.read_text(encoding="utf-8"), owner if owner != service else ""
    )
