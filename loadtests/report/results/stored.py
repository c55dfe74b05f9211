"""The folders of `results/`: which runs there are, and which is the newest of a profile."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from loadtests import catalog
from loadtests.ladder import record as ladder
from loadtests.ladder.climb import Climb
from loadtests.record import InvalidRun, Run, fingerprint, load
from loadtests.report.results.parts import Part, split

SUITE = "publish"  # the profile that README and docs are made of


@dataclass(frozen=True)
class Entry:
    """A run of the bench and the folder it was read from."""

    folder: Path
    run: Run

    @property
    def started_at(self) -> str:
        return self.run.started_at

    @cached_property
    def parts(self) -> list[Part]:
        return split(self.run)


@dataclass(frozen=True)
class Climbed:
    """A run of the ladder and the folder it was read from; `document` as ladder.record has it."""

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
    """Everything in a folder of results, newest first; `wrong` has a line for what is none.

    `suite` is the newest run of the profile SUITE: where there is one, nothing is quoted that
    is not in it, so that no document mixes runs. Where there is none, each profile's newest run
    stands for itself, with its own date.
    """

    entries: list[Entry]
    climbed: list[Climbed]
    wrong: list[str]

    @cached_property
    def suite(self) -> Entry | None:
        """The newest complete suite, or else the newest of which a profile is complete."""
        suites = [entry for entry in self.entries if entry.run.profile == SUITE]
        whole = [entry for entry in suites if entry.run.finished_at]
        begun = [entry for entry in suites if any(map(_is_complete, entry.parts))]
        return next(iter(whole + begun), None)

    @property
    def ladder(self) -> Climbed | None:
        """The newest run of the ladder; beside a suite only one of its machine."""
        found = (one for one in self.climbed if self._goes_beside(one.document["machine"]))
        return next(found, None)

    def mixed(self, folders: Iterable[str | None]) -> list[str]:
        """The differences that make the runs in some folders those of several machines."""
        runs = {entry.folder.name: entry.run for entry in self.entries}
        chosen = dict.fromkeys(filter(None, folders))
        return fingerprint.mixed({name: runs[name] for name in chosen})

    def profiles(self) -> dict[str, tuple[Entry, Part]]:
        """The newest result of each profile, in the order of their names."""
        names = {part.name for entry in self.quoted() for part in entry.parts}
        found = {name: self.newest(name) for name in sorted(names)}
        return {name: newest for name, newest in found.items() if newest}

    def newest(self, wanted: str) -> tuple[Entry, Part] | None:
        """A profile, or else that kind of workload, of the suite or of the newest finished run.

        A run of all services is preferred to a newer one of fewer.
        """
        for of in (_name, _kind):
            found = [
                (entry, part)
                for entry in self.quoted()
                for part in entry.parts
                if of(part) == wanted and _is_complete(part)
            ]
            if found:
                return max(found, key=lambda pair: _breadth(pair[1]))  # the first of equals
        return None

    def widest(self, kind: str, services: Collection[str]) -> tuple[Entry, Part] | None:
        """The finished run of a kind with most of the services that are named.

        Beside a suite it is one of the suite's machine.
        """
        found = [
            (entry, part)
            for entry in self.entries
            for part in entry.parts
            if part.kind == kind and _is_complete(part) and self._goes_beside(entry.run.machine)
        ]
        wanted = {*services}
        return max(found, key=lambda pair: len(wanted & pair[1].run.services.keys()), default=None)

    def _goes_beside(self, machine: Mapping[str, Any]) -> bool:
        """Whether there is no suite, or one of this machine."""
        return self.suite is None or self.suite.run.machine["name"] == machine["name"]

    def quoted(self) -> list[Entry]:
        """The runs that documents may draw from."""
        return [self.suite] if self.suite else self.entries


def _is_complete(part: Part) -> bool:
    return bool(part.run.finished_at and part.run.points)


def _name(part: Part) -> str:
    return part.name


def _kind(part: Part) -> str:
    return part.kind


def _breadth(part: Part) -> int:
    """How many of the services that there are have a place in it."""
    return len({*part.run.services, *part.cannot} & set(catalog.names()))


def read(results: Path, check: bool = True) -> Results:
    """All runs in `results`, those of the bench and those of the ladder; `check` as in `load`."""
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
                run = load(folder / "run.json", check)
                if mixed := fingerprint.mixed_parts(run):
                    raise InvalidRun(f"{folder / 'run.json'}: no one run: {'; '.join(mixed)}")
                entries.append(Entry(folder, run))
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
        return str(json.loads(file.read_text(encoding="utf-8"))["schema"]).startswith("ladder")
    except (OSError, ValueError, KeyError, TypeError):
        return False  # whatever it is, load() says what is wrong with it


def _newest_first(found: Iterable[T]) -> list[T]:
    return sorted(found, key=lambda one: (one.started_at, one.folder.name), reverse=True)
