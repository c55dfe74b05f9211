"""The folders that runs leave in `results/`."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path


def now() -> str:
    """The time of the record: 2026-11-20T14:05:00Z."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def new(results: Path, started_at: str, machine: str, name: str) -> Path:
    """Make the folder of a run, and of no other that started in the same second."""
    stem = f"{started_at.replace(':', '')}-{machine}-{name}"
    for suffix in chain([""], (f"-{number}" for number in count(2))):
        with suppress(FileExistsError):
            (results / (stem + suffix)).mkdir(parents=True)
            return results / (stem + suffix)
    raise AssertionError("numbers do not end")
