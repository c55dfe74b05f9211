"""What one run of the benchmark leaves behind: `run.json`.

The shape is described for other programs by `run.schema.json`; units are in
the names. A run is written anew after every point, atomically, so that it is
whole at any moment.
"""

from __future__ import annotations

import json
import os
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

SCHEMA_VERSION = 1
SCHEMA_FILE = Path(__file__).with_name("run.schema.json")

# The figures of a point that are summarised over rounds.
MEASURES = (
    "rps",
    "efficiency",
    "p50_ms",
    "p90_ms",
    "p99_ms",
    "max_ms",
    "cpu_ms_per_request",
    "rss_bytes",
)


class InvalidRun(ValueError):
    """A `run.json` that is not one; the text says which file and what is wrong."""


@dataclass(kw_only=True)
class Point:
    """One service in one scenario and round.

    A figure is None where nothing was measured (the service did not start, no
    request came back). `unfinished` requests were in flight when the window
    closed. `generator_cpu` is the busy share of the generator's core, 0 to 1.
    """

    service: str
    scenario: str
    round: int
    users: int
    rate_rps: float | None
    delay_s: float
    duration_s: float
    requests: int = 0
    failures: int = 0
    failure_kinds: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    rps: float = 0.0
    ceiling_rps: float = 0.0
    binding: str = ""
    efficiency: float = 0.0
    p50_ms: float | None = None
    p90_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None
    cpu_ms_per_request: float | None = None
    rss_bytes: int | None = None
    backend_calls: int = 0
    generator_cpu: float | None = None
    valid: bool = True
    invalid_because: list[str] = field(default_factory=list)
    log_tail: str = ""


@dataclass(frozen=True)
class Spread:
    """A figure over rounds."""

    median: float
    min: float
    max: float


@dataclass(kw_only=True)
class Summary:
    """One service in one scenario over all rounds.

    The figures are medians over the valid rounds, or over all rounds that
    measured something where none was valid; then `valid` is false.
    """

    service: str
    scenario: str
    users: int
    rate_rps: float | None
    delay_s: float
    rounds: int
    valid_rounds: int
    requests: int
    failures: int
    ceiling_rps: float
    binding: str
    valid: bool
    invalid_because: list[str]
    rps: Spread | None
    efficiency: Spread | None
    p50_ms: Spread | None
    p90_ms: Spread | None
    p99_ms: Spread | None
    max_ms: Spread | None
    cpu_ms_per_request: Spread | None
    rss_bytes: Spread | None


@dataclass(kw_only=True)
class Run:
    """A whole run, in the order of `run.json`.

    `workload` holds the profile's settings, `machine` the hardware and system,
    `services` for each service its `service.toml` with the `/info` it gave.
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
    workload: dict[str, Any]
    machine: dict[str, Any]
    services: dict[str, dict[str, Any]] = field(default_factory=dict)
    points: list[Point] = field(default_factory=list)
    summary: list[Summary] = field(default_factory=list)
    schema: int = SCHEMA_VERSION

    def add(self, point: Point) -> None:
        """Add a point and bring the summary up to date."""
        self.points.append(point)
        self.summary = summarise(self.points)


def summarise(points: list[Point]) -> list[Summary]:
    """One summary a service × scenario, in the order in which they first appear."""
    groups: dict[tuple[str, str], list[Point]] = {}
    for point in points:
        groups.setdefault((point.service, point.scenario), []).append(point)
    return [_summary(group) for group in groups.values()]


def _summary(group: list[Point]) -> Summary:
    first = group[0]
    valid = [point for point in group if point.valid]
    counted = valid or [point for point in group if point.requests]
    reasons = dict.fromkeys(reason for point in group for reason in point.invalid_because)
    return Summary(
        service=first.service,
        scenario=first.scenario,
        users=first.users,
        rate_rps=first.rate_rps,
        delay_s=first.delay_s,
        rounds=len(group),
        valid_rounds=len(valid),
        requests=sum(point.requests for point in group),
        failures=sum(point.failures for point in group),
        ceiling_rps=max(point.ceiling_rps for point in group),
        binding=next((point.binding for point in group if point.binding), ""),
        valid=bool(valid),
        invalid_because=list(reasons),
        **{name: _spread(counted, name) for name in MEASURES},
    )


def _spread(points: list[Point], name: str) -> Spread | None:
    values = [value for point in points if (value := getattr(point, name)) is not None]
    if not values:
        return None
    return Spread(statistics.median(values), min(values), max(values))


def save(run: Run, path: Path) -> None:
    """Write `run` to `path`, checked against the schema, whole or not at all."""
    document = asdict(run)
    validate(document, path)
    write_atomically(path, json.dumps(document, indent=1) + "\n")


def load(path: Path) -> Run:
    """Read a run; InvalidRun says what is wrong with the file."""
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InvalidRun(f"{path}: {error}") from error
    validate(document, path)
    spread: Callable[[Any], Any] = lambda value: value and Spread(**value)  # noqa: E731
    document["points"] = [Point(**point) for point in document["points"]]
    document["summary"] = [
        Summary(**{key: spread(value) if key in MEASURES else value for key, value in row.items()})
        for row in document["summary"]
    ]
    return Run(**document)


def validate(document: Any, path: Path) -> None:
    """Raise InvalidRun unless `document` fits the schema; `path` is for the message."""
    error = jsonschema.exceptions.best_match(_validator().iter_errors(document))
    if error is not None:
        raise InvalidRun(f"{path}: {error.json_path}: {error.message}")


@cache
def _validator() -> jsonschema.protocols.Validator:
    return jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text()))


def write_atomically(path: Path, text: str) -> None:
    """Replace `path` by `text`; a reader sees the old file or the new one, never half."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        draft.write_text(text)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
