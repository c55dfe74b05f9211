"""The ladder's `run.json`."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtests.ladder.climb import Climb
from loadtests.record import InvalidRun, write_atomically

SCHEMA = "ladder-1"
MEASURED = ("rps", "threads", "idle_share", "cpu_ms_per_request", "start_lag_ms")


def save(folder: Path, head: dict[str, Any], climbs: list[Climb]) -> None:
    """Write `run.json`: `head`, the `climbs`, and under `rungs` their medians over rounds."""
    document = {
        "schema": SCHEMA,
        "profile": "ladder",
        **head,
        "climbs": [asdict(climb) for climb in climbs],
        "rungs": _medians(climbs),
    }
    write_atomically(folder / "run.json", json.dumps(document, indent=1) + "\n")


def load(file: Path) -> dict[str, Any]:
    """Read a `run.json` of the ladder; InvalidRun where it is none."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["schema"] == SCHEMA and document["rungs"] and document["machine"]["name"]:
            run: dict[str, Any] = document
            return run
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidRun(f"{file}: {error}") from error
    raise InvalidRun(f"{file}: is no run of the ladder")


def _medians(climbs: list[Climb]) -> list[dict[str, Any]]:
    """One row a rung and delay, in the order in which they were climbed first."""
    groups: dict[tuple[str, float], list[Climb]] = {}
    for climb in climbs:
        groups.setdefault((climb.rung, climb.delay_s), []).append(climb)
    rows = []
    for same in groups.values():
        row = {key: value for key, value in asdict(same[0]).items() if key != "round"}
        for name in MEASURED:
            values = [value for climb in same if (value := getattr(climb, name)) is not None]
            row[name] = statistics.median(values) if values else None
        row |= {"rps_min": min(c.rps for c in same), "rps_max": max(c.rps for c in same)}
        rows.append({**row, "rounds": len(same)})
    return rows
