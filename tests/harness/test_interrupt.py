"""The whole command, over a real service: two runs at once, and one of them is interrupted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from commandline import Command, runs_in, until

from loadtests import record

BENCH = ("bench", "--profile", "smoke", "--services", "tornado", "--runtime", "local")


def left_in(folder: Path) -> dict[str, Any]:
    """The record, checked, and with its reports beside it."""
    assert {"run.json", "report.md", "report.html"} <= {path.name for path in folder.iterdir()}
    assert not list(folder.glob(".*"))
    record.load(folder / "run.json")
    document: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return document


def test_two_runs_one_is_interrupted(tmp_path: Path) -> None:
    results = tmp_path / "results"
    with (
        Command(*BENCH, "--results", str(results)) as one,
        Command(*BENCH, "--results", str(results)) as other,
    ):
        one.until_it_says("[1/2")
        assert len(one.ports()) == 2  # the backend's and the service's
        one.interrupt()
        status, said, complaints = one.end(30)
        assert (status, complaints) == (130, "")
        assert "interrupted: 1 of 2 points are in the report" in said
        assert until(lambda: one.processes() == [])

        status, said, complaints = other.end()
        assert (status in (0, 1), complaints) == (True, "")  # they disturb each other's speed
        assert until(lambda: other.processes() == [])
    documents = [left_in(folder) for folder in runs_in(results)]
    whole, cut = sorted(documents, key=lambda document: document["finished_at"] is None)
    assert [point["users"] for point in whole["points"]] == [10, 50]
    assert whole["finished_at"]
    assert [point["users"] for point in cut["points"]] == [10]
    assert cut["finished_at"] is None
    for document in documents:
        assert all(point["requests"] > 20 for point in document["points"])
        assert not any(point["failures"] for point in document["points"])
