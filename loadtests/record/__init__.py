"""What one run of the benchmark leaves behind: `run.json`.

Units are in the names. A run is written anew after every service's turn, atomically, so that
it is whole at any moment.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from loadtests.record.point import Point as Point
from loadtests.record.schema import VERSION, upgraded, validate
from loadtests.record.schema import InvalidRun as InvalidRun  # what load() raises
from loadtests.record.summary import MEASURES as MEASURES
from loadtests.record.summary import Spread as Spread
from loadtests.record.summary import Summary as Summary
from loadtests.record.summary import summarise as summarise


@dataclass(kw_only=True)
class Run:
    """A whole run, in the order of `run.json`.

    `profile` is what was asked for, `workloads` the settings of each profile in
    it, `machine` the hardware and system, `services` for each service its
    `service.toml` with the `/info` it gave first. `instruments` are what the
    generator and the backend can do on this machine, `spent` where the seconds
    of the run went; both are None where nobody measured them.
    `finished_at` is None while the run goes on or if it was interrupted.
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
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    instruments: dict[str, float | None] | None = None
    spent: dict[str, float] | None = None
    points: list[Point] = field(default_factory=list)
    summary: list[Summary] = field(default_factory=list)
    schema: int = VERSION

    def add(self, point: Point) -> None:
        """Add a point and bring the summary up to date."""
        self.points.append(point)
        self.summary = summarise(self.points)


def save(run: Run, path: Path, check: bool = True) -> None:
    """Write `run` to `path`, whole or not at all; `check` it against the schema, which is slow."""
    document = asdict(run)
    if check:
        validate(document, path)
    write_atomically(path, json.dumps(document, indent=1) + "\n")


def load(path: Path) -> Run:
    """Read a run, of this schema or an older one; InvalidRun says what is wrong with the file."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidRun(f"{path}: {error}") from error
    validate(document, path)
    document = upgraded(document)
    spread: Callable[[Any], Any] = lambda value: value and Spread(**value)  # noqa: E731
    document["points"] = [Point(**point) for point in document["points"]]
    document["summary"] = [
        Summary(**{key: spread(value) if key in MEASURES else value for key, value in row.items()})
        for row in document["summary"]
    ]
    return Run(**document)


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`; a reader sees the old file or the new one, never half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
