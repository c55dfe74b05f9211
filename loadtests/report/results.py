"""The folders of `results/`: which runs there are, and which is the newest of a profile."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from loadtests import catalog
from loadtests.ladder import report as ladder
from loadtests.ladder.climb import Climb
from loadtests.record import InvalidRun, Run, load
from loadtests.report.parts import Part, split


@dataclass(frozen=True)
class Entry:
    """A run of the bench and the folder it was read from."""

    folder: Path
    run: Run

    @property
    def started_at(self) -> str:
        return self.run.started_at

    @property
    def parts(self) -> list[Part]:
        return split(self.run)


@dataclass(frozen=True)
class Climbed:
    """A run of the ladder and the folder it was read from; `document` as ladder.report has it."""

    folder: Path
    document: dict[str, Any]

    @property
    def started_at(self) -> str:
        return str(self.document["started_at"])

    @property
    def title(self) -> str:
        return str(self.document.get("title", "The ladder of clients"))

    @property
    def rungs(self) -> list[dict[str, Any]]:
        rungs: list[dict[str, Any]] = self.document["rungs"]
        return rungs


T = TypeVar("T", Entry, Climbed)


@dataclass(frozen=True)
class Results:
    """Everything in a folder of results, newest first; `wrong` has a line for what is none."""

    entries: list[Entry]
    climbed: list[Climbed]
    wrong: list[str]

    def profiles(self) -> dict[str, tuple[Entry, Part]]:
        """The newest result of each profile, in the order of their names."""
        names = {part.name for entry in self.entries for part in entry.parts}
        found = {name: self.newest(name) for name in sorted(names)}
        return {name: newest for name, newest in found.items() if newest}

    def newest(self, wanted: str) -> tuple[Entry, Part] | None:
        """The newest finished run of a profile, or else of that kind of workload.

        A run of all services is preferred to a newer one of fewer.
        """
        for of in (_name, _kind):
            found = [
                (entry, part)
                for entry in self.entries
                for part in entry.parts
                if of(part) == wanted and entry.run.finished_at and part.run.points
            ]
            if found:
                return max(found, key=lambda pair: _breadth(pair[1]))  # the first of equals
        return None


def _name(part: Part) -> str:
    return part.name


def _kind(part: Part) -> str:
    return part.kind


def _breadth(part: Part) -> int:
    """How many of the services that there are have a place in it."""
    return len({*part.run.services, *part.cannot} & set(catalog.names()))


def read(results: Path) -> Results:
    """All runs in `results`, those of the bench and those of the ladder."""
    entries: list[Entry] = []
    climbed: list[Climbed] = []
    wrong: list[str] = []
    for folder in sorted(results.iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        try:
            if _is_ladder(folder / "run.json"):
                climbed.append(_climbed(folder))
            else:
                entries.append(Entry(folder, load(folder / "run.json")))
        except InvalidRun as error:
            wrong.append(str(error).replace("\n", " "))
    return Results(_newest_first(entries), _newest_first(climbed), wrong)


def _climbed(folder: Path) -> Climbed:
    document = ladder.load(folder / "run.json")
    figures = {field.name for field in fields(Climb)} - {"round"} | {"rps_min", "rps_max"}
    missing = {"started_at", "commit"} - document.keys()
    missing |= {key for rung in document["rungs"] for key in figures - rung.keys()}
    if missing:
        raise InvalidRun(f"{folder / 'run.json'}: without {', '.join(sorted(missing))}")
    return Climbed(folder, document)


def _is_ladder(file: Path) -> bool:
    try:
        return str(json.loads(file.read_text())["schema"]).startswith("ladder")
    except (OSError, ValueError, KeyError, TypeError):
        return False  # whatever it is, load() says what is wrong with it


def _newest_first(found: Iterable[T]) -> list[T]:
    return sorted(found, key=lambda one: (one.started_at, one.folder.name), reverse=True)
