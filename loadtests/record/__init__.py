"""The record of one run of the benchmark: `run.json`.

Units are in the names. A run is written anew after every service's turn, atomically, so that
it is whole at any moment.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadtests.record import stored
from loadtests.record.point import BOUNDS as BOUNDS
from loadtests.record.point import RATES as RATES
from loadtests.record.point import Point as Point
from loadtests.record.schema import VERSION, validate
from loadtests.record.schema import InvalidRun as InvalidRun  # what load() raises
from loadtests.record.summary import MEASURES as MEASURES
from loadtests.record.summary import Spread as Spread
from loadtests.record.summary import Summary as Summary
from loadtests.record.summary import note_histograms
from loadtests.record.summary import summarise as summarise


@dataclass(kw_only=True)
class Run:
    """A whole run, in the order of `run.json`.

    `profile` is what was asked for, `workloads` the settings of each profile in
    it, `machine` the hardware and system, `machines` those of service and backend where they were
    on others, so that `machine` is the load's, `services` for each service its
    `service.toml` with the `/info` it gave first. `instruments` are what the
    generator and the backend can do on this machine, `spent` where the seconds
    of the run went; both are None where nobody measured them.
    `finished_at` is None while the run goes on or if it was interrupted. `rules` is the
    version of the rules by which the points were judged (bench/rules.py).
    """

    profile: str
    runtime: str
    runtime_because: str
    pinned: bool
    started_at: str
    finished_at: str | None = None
    commit: str
    seed: int
    workloads: dict[str, dict[str, Any]]
    machine: dict[str, Any]
    machines: dict[str, dict[str, Any]] = field(default_factory=dict)
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    instruments: dict[str, Any] | None = None
    spent: dict[str, float] | None = None
    points: list[Point] = field(default_factory=list)
    summary: list[Summary] = field(default_factory=list)
    rules: int = 1
    schema: int = VERSION

    @property
    def at_commit(self) -> str:
        """The commit in words, which says of one that files differed from it."""
        known = self.commit.removesuffix("-dirty")
        is_hash = re.fullmatch("[0-9a-f]+", known)  # or else a file or a release
        short = known[:12] if is_hash else known
        return short if known == self.commit else f"{short} and changes that were not committed"

    def add(self, point: Point) -> None:
        """Add a point and bring the summary up to date."""
        self.points.append(point)
        self.summary = summarise(self.points)


def save(run: Run, path: Path, check: bool = True) -> None:
    """Write `run` to `path`, whole or not at all; `check` it against the schema, which is slow."""
    document = stored.document(run)
    if check:
        validate(document, path)
    write_atomically(path, stored.text(document))


def load(path: Path, check: bool = True) -> Run:
    """Read a run, of this schema or the one before; InvalidRun says what is wrong with the file.

    The `check` against the schema takes most of the time; without it a file is trusted to be
    as `save` left it.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRun(f"{path}: {error}") from error
    if check:
        validate(document, path)
    try:
        return _run(document)
    except (AttributeError, KeyError, TypeError) as error:
        raise InvalidRun(f"{path}: is no run: {error!r}") from error


def _run(document: dict[str, Any]) -> Run:
    document["schema"] = VERSION
    spread: Callable[[Any], Any] = lambda value: value and Spread(**value)  # noqa: E731
    document["points"] = [Point(**point) for point in document["points"]]
    document["summary"] = [
        Summary(
            **{
                key: spread(value) if key in MEASURES else value
                for key, value in row.items()
                if key != "histogram"  # of schema 5: that of its points follows from them
            }
        )
        for row in document["summary"]
    ]
    note_histograms(document["points"], document["summary"])
    return Run(**document)


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`; a reader sees the old file or the new one, never half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
