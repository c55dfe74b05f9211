"""`run.json`: written whole or not at all, checked both ways, summed up over rounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import runs

from loadtests import paths, record
from loadtests.bench import machine
from loadtests.catalog import ROOT
from loadtests.ladder import record as ladder
from loadtests.load import histogram
from loadtests.record import InvalidRun, Run, Spread, schema, stored, summarise

# Writes a run over another one where files may not grow beyond 4 KiB.
NO_SPACE = """
import resource, signal, sys
from pathlib import Path
from loadtests import record
path = Path(sys.argv[1])
run = record.load(path)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
record.save(run, path)
"""


def test_a_saved_run_is_loaded_alike(tmp_path: Path) -> None:
    for run in (runs.troubled(), runs.empty(finished_at=None)):
        record.save(run, tmp_path / "run.json")
        assert record.load(tmp_path / "run.json") == run
    assert os.listdir(tmp_path) == ["run.json"]


def test_a_write_that_fails_in_the_middle_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    record.save(runs.made_up(), path)
    before = path.read_bytes()
    command = [sys.executable, "-c", NO_SPACE, str(path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "OSError" in done.stderr
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.json"]


def test_nothing_is_written_that_does_not_fit_the_schema(tmp_path: Path) -> None:
    run = runs.made_up(rounds=1)
    run.points[0].binding = "luck"
    with pytest.raises(InvalidRun, match=r"points\[0\].binding"):
        record.save(run, tmp_path / "run.json")
    assert os.listdir(tmp_path) == []


def doctored(*where: Any, to: Any = None) -> dict[str, Any]:
    """A run as JSON with the value at `where` set to `to`, or left out."""
    document = stored.document(runs.made_up(rounds=1))
    inner: Any = document
    for key in where[:-1]:
        inner = inner[key]
    if to is None:
        del inner[where[-1]]
    else:
        inner[where[-1]] = to
    return document


@pytest.mark.parametrize(
    "document",
    [
        [],
        doctored("schema", to=4),
        doctored("schema", to=7),
        doctored("schema", to="6"),
        doctored("workloads", "standard", "kind"),
        doctored("workloads", "standard", "kind", to="other"),
        doctored("services", "sanic", "kind"),
        doctored("services", "sanic", "kind", to="fast"),
        doctored("seed"),
        doctored("extra", to=1),
        doctored("runtime", to="cloud"),
        doctored("started_at", to="yesterday"),
        doctored("machine", "cores", to=0),
        doctored("machine", "name", to="../x"),
        doctored("services", "sanic", "model"),
        doctored("services", "sanic", "info", to={}),
        doctored("points", 0, "requests"),
        doctored("points", 0, "p98_ms", to=1.0),
        doctored("points", 0, "p99_ms", to="fast"),
        doctored("points", 0, "requests", to=-1),
        doctored("points", 0, "requests", to=1.5),
        doctored("points", 0, "valid", to="yes"),
        doctored("points", 0, "round", to=0),
        doctored("summary", 0, "rps", "median"),
        doctored("summary", 0, "valid_rounds"),
    ],
)
def test_a_doctored_run_is_refused(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InvalidRun, match=r"run\.json"):
        record.load(path)


def test_a_row_has_only_what_is_known(tmp_path: Path) -> None:
    """A field that is left out has its default; faults are there, also where there are none."""
    run = runs.troubled()
    record.save(run, tmp_path / "run.json")
    document = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    described = json.loads(schema.FILE.read_text(encoding="utf-8"))
    for rows, kind in ((document["points"], "point"), (document["summary"], "summary")):
        always = {*described["$defs"][kind]["required"]}
        for row in rows:
            assert always <= row.keys()
            known = (value for name, value in row.items() if name not in always)
            assert all(value not in (None, "", [], {}) or value == 0 for value in known)
            assert "invalid_because" in row
    assert record.load(tmp_path / "run.json") == run


def test_a_run_of_the_schema_before(tmp_path: Path) -> None:
    """In it a row had also what is not known, and a summary the histogram of its points."""
    run = runs.troubled()
    document = asdict(run) | {"schema": 5}
    for row in document["summary"]:
        del row["histograms"]
        row["histogram"] = ""
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert record.load(path) == run
    assert run.schema == schema.VERSION == 6


def test_the_runs_of_the_project() -> None:
    found = list((ROOT / "results").glob("*/run.json"))
    assert found
    for path in found:
        if path.parent.name.endswith("-ladder"):
            assert ladder.load(path)["rungs"]
        else:
            assert record.load(path).points


@pytest.mark.parametrize("text", ["", "{", '{"schema": 6}', "\x00"])
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InvalidRun, match=r"run\.json"):
        record.load(tmp_path / "run.json")
    with pytest.raises(InvalidRun, match="No such file"):
        record.load(tmp_path / "other.json")


def rounds(*rps: float | None, invalid: tuple[int, ...] = ()) -> Run:
    """A run of one service; a round without a figure failed."""
    run = runs.empty()
    made = runs.made_up({"one": (0.2, 1000)}, users=(10,), rounds=len(rps)).points
    for point, figure in zip(made, rps, strict=True):
        if figure is None:
            point = runs.failed("one", 10, point.round)
        else:
            point.rps, point.valid = figure, point.round not in invalid
            point.invalid_because = [] if point.valid else [f"bad {point.round}"]
        run.add(point)
    return run


def test_median_and_spread() -> None:
    (row,) = rounds(90.0, 70.0, 80.0).summary
    assert row.rps == Spread(median=80.0, min=70.0, max=90.0)
    assert (row.rounds, row.valid_rounds, row.valid, row.invalid_because) == (3, 3, True, [])


def test_invalid_rounds_are_left_out_but_not_hidden() -> None:
    (row,) = rounds(90.0, 999.0, 80.0, None, invalid=(2,)).summary
    assert row.rps == Spread(median=85.0, min=80.0, max=90.0)
    assert (row.rounds, row.valid_rounds, row.valid) == (4, 2, True)
    assert row.invalid_because == ["bad 2", "did not start"]


def test_no_round_is_valid() -> None:
    (row,) = rounds(90.0, None, 80.0, invalid=(1, 3)).summary
    assert row.rps == Spread(median=85.0, min=80.0, max=90.0)
    assert (row.valid, row.valid_rounds) == (False, 0)
    (nothing,) = rounds(None, None).summary
    assert (nothing.rps, nothing.p99_ms, nothing.valid, nothing.requests) == (None, None, False, 0)


def test_response_times_are_merged_over_the_rounds_that_count() -> None:
    run = rounds(90.0, 70.0, 80.0, None, invalid=(2,))
    given = ([100.0] * 99 + [900.0], [5.0] * 1000, [110.0] * 100)
    for point, times_ms in zip(run.points, given, strict=False):
        point.histogram = histogram.of(times_ms)
    (row,) = summarise(run.points)
    assert row.histogram == histogram.of(given[0] + given[2])
    expected = {"p50_ms": 110, "p90_ms": 110, "p99_ms": 110, "p999_ms": 900, "max_ms": 900}
    assert row.merged == pytest.approx({**expected, "mean_ms": 109}, rel=1e-3)


def test_nothing_is_merged_where_nothing_was_measured() -> None:
    (row,) = rounds(None, None).summary
    assert (row.histogram, row.merged) == ("", {})


def test_services_and_scenarios_are_not_mixed() -> None:
    run = runs.made_up(users=(1, 200), rounds=2)
    rows = {(row.service, row.users): row for row in summarise(run.points[::-1])}
    assert len(rows) == 10
    for (service, users), row in rows.items():
        own = [p.rps for p in run.points if (p.service, p.users) == (service, users)]
        assert row.rps is not None
        assert (row.rps.min, row.rps.max) == (min(own), max(own))


def test_a_commit_is_dirty_where_its_code_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reports and the documents that quote them, which a run writes itself, do not make it so."""

    def git(*arguments: str) -> str:
        about = ("-c", "user.name=a", "-c", "user.email=a@example.org")
        command = ("git", *about, *arguments)
        done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    monkeypatch.setattr(paths, "ROOT", tmp_path)
    assert machine.commit() == "unknown"
    (tmp_path / "services").mkdir()
    for name in ("README.md", "services/app.py"):
        (tmp_path / name).write_text("1")
    git("init", "--quiet")
    git("add", ".")
    git("commit", "--quiet", "-m", "a")
    known = git("rev-parse", "--short=12", "HEAD")
    assert machine.commit() == known
    (tmp_path / "README.md").write_text("2")
    assert machine.commit() == known
    (tmp_path / "services" / "app.py").write_text("2")
    assert machine.commit() == f"{known}-dirty"


def test_a_commit_in_words() -> None:
    run = runs.made_up()
    for commit, said in (
        ("0123456789abcdef", "0123456789ab"),
        ("0123456789ab-dirty", "0123456789ab and changes that were not committed"),
        ("base/waits.toml", "base/waits.toml"),
    ):
        run.commit = commit
        assert run.at_commit == said
