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

from loadtests import record
from loadtests.catalog import ROOT
from loadtests.ladder import report as ladder
from loadtests.load import histogram
from loadtests.record import InvalidRun, Point, Run, Spread, schema, summarise

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


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
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
    document = asdict(runs.made_up(rounds=1))
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
        doctored("schema", to=5),
        doctored("schema", to=1),
        doctored("schema", to="2"),
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
        doctored("points", 0, "p99_ms"),
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


def before_histograms() -> Run:
    """A run as it is read when it was written before there were histograms."""
    run = runs.troubled()
    known = json.loads(schema.FILES[2].read_text())["$defs"]["point"]["properties"].keys()
    old = [{key: v for key, v in asdict(point).items() if key in known} for point in run.points]
    run.points = [Point(**point) for point in old]
    run.summary = summarise(run.points)
    return run


def before_kinds(run: Run, **cannot: dict[str, str]) -> dict[str, Any]:
    """A run as it was written when its services had no kinds, but said what they cannot."""
    document = asdict(run)
    for name, about in document["services"].items():
        for field in ("kind", "offers", "exceptions", "limit"):
            del about[field]
        about["cannot"] = cannot.get(name.replace("-", "_"), {})
    for row in document["points"]:
        del row["served"]
    return document


def without_kinds(run: Run) -> dict[str, dict[str, Any]]:
    """The services of such a run as they are read."""
    new = {"kind": "", "offers": [], "exceptions": {}, "limit": ""}
    return {name: about | new for name, about in run.services.items()}


def test_a_run_of_the_third_schema(tmp_path: Path) -> None:
    """What a service could not do is now said with the profile, and with the exceptions."""
    run = runs.made_up()
    run.workloads["chat"] = {"kind": "chat", "title": "", "route": "/chat"}
    cannot = {"/chat": "it hears nothing", "keep-alive": "it would only wait"}
    document = before_kinds(run, tornado_blocking=cannot) | {"schema": 3}
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    read = record.load(path)
    assert read.schema == 4
    assert (read.points, read.summary) == (run.points, run.summary)
    assert read.workloads["chat"]["left_out"] == {"tornado-blocking": "it hears nothing"}
    assert "left_out" not in read.workloads["standard"]
    expected = without_kinds(run)
    expected["tornado-blocking"]["exceptions"] = {"keep-alive": "it would only wait"}
    assert read.services == expected
    record.save(read, path)
    assert record.load(path) == read


def second_schema() -> dict[str, Any]:
    """That run as it was written."""
    document = before_kinds(before_histograms()) | {"schema": 2}
    del document["instruments"], document["spent"]
    known = json.loads(schema.FILES[2].read_text())["$defs"]
    for rows, of in ((document["points"], "point"), (document["summary"], "summary")):
        for row in rows:
            for name in row.keys() - known[of]["properties"].keys():
                del row[name]
    return document


def test_a_run_of_the_second_schema(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(json.dumps(second_schema()))
    run = record.load(path)
    assert run.schema == 4
    expected = before_histograms()
    assert (run.points, run.summary) == (expected.points, expected.summary)
    record.save(run, path)
    assert record.load(path) == run


def test_a_run_of_the_first_schema(tmp_path: Path) -> None:
    """What is committed was written before there were kinds of workload."""
    document = second_schema()
    document |= {"schema": 1, "workload": {"users": [1, 10], "delay_s": 0.1}}
    del document["workloads"]
    for service in document["services"].values():
        del service["cannot"]
    for row in document["points"] + document["summary"]:
        for name in ("profile", "idle_connections", "heavy_requests", "heavy_p50_ms"):
            del row[name]
        row["ceiling_rps"] = row["ceiling_rps"] or 0.0
        if row["efficiency"] is None and "round" in row:
            row["efficiency"] = 0.0
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document))
    run = record.load(path)
    assert run.schema == 4
    assert run.workloads == {
        "standard": {"kind": "delay", "title": "", "users": [1, 10], "delay_s": 0.1}
    }
    expected = before_histograms()
    assert (run.points, run.summary) == (expected.points, expected.summary)
    record.save(run, path)
    assert record.load(path) == run


def test_the_runs_of_the_project() -> None:
    found = list((ROOT / "results").glob("*/run.json"))
    assert found
    for path in found:
        if path.parent.name.endswith("-ladder"):
            assert ladder.load(path)["rungs"]
        else:
            assert record.load(path).points


@pytest.mark.parametrize("text", ["", "{", '{"schema": 1}', "\x00"])
def test_what_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InvalidRun, match=r"run\.json"):
        record.load(tmp_path / "run.json")
    with pytest.raises(InvalidRun, match="No such file"):
        record.load(tmp_path / "other.json")


def rounds(*rps: float | None, invalid: tuple[int, ...] = ()) -> Run:
    """One service; a round without a figure measured nothing."""
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
