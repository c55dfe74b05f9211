"""The whole command, over a real service: two runs at once, and one of them is interrupted.

The other one has a hostile environment, and nothing is left in its folders.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from commandline import Command, runs_in, until
from hostile import OF_A_PROCESS

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
    results, home = tmp_path / "results", tmp_path / "home"
    home.mkdir()
    hostile = {**OF_A_PROCESS, "HOME": str(home)}
    with (
        Command(*BENCH, "--results", str(results)) as one,
        Command(*BENCH, "--results", str(results), **hostile) as other,
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
        left = [str(path) for path in home.rglob("*") if path.is_file()]
        assert left == []
        assert os.listdir(other.mark) == []
    index = (results / "README.md").read_text(encoding="utf-8")
    assert [folder.name in index for folder in runs_in(results)] == [True, True]
    documents = [left_in(folder) for folder in runs_in(results)]
    whole, cut = sorted(documents, key=lambda document: document["finished_at"] is None)
    assert [point["users"] for point in whole["points"]] == [10, 50]
    assert whole["finished_at"]
    assert [point["users"] for point in cut["points"]] == [10]
    assert cut["finished_at"] is None
    for document in documents:
        # How many is up to the machine: two generators and two services share its cores here.
        assert all(point["requests"] for point in document["points"]), document["points"]
        assert not any(point["failures"] for point in document["points"])
