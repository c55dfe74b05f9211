"""Stored runs that are judged anew: what was measured stays, what was seen beside it counts."""

from __future__ import annotations

from pathlib import Path

import runs

from loadtests import record
from loadtests.bench.rejudge import rejudge
from loadtests.bench.rules import VERSION
from loadtests.report import build


def stored() -> record.Run:
    """Points of ten users, believable by the rules of today."""
    run = runs.made_up({"sanic": (0.147, 1000)}, users=(10,))
    for point in run.points:
        point.unanswered, point.served = 0, 10
    return run


def test_unexplained_points_of_older_runs_stay_invalid() -> None:
    run = stored()
    seen, full = run.points[:2]
    for point in (seen, full):
        point.valid, point.invalid_because = False, ["a herd"]
    full.generator_cpu = 0.9
    raw = [(point.rps, point.p99_ms, point.histogram) for point in run.points]
    rejudge(run)
    assert (seen.valid, seen.invalid_because) == (False, ["a herd"])
    assert (full.valid, full.bound) == (True, "generator")
    assert [(point.rps, point.p99_ms, point.histogram) for point in run.points] == raw
    assert run.rules == VERSION
    assert rejudge(run) == 0


def test_newer_runs_have_the_generators_problems() -> None:
    run = stored()
    first, second = run.points[:2]
    first.problems, second.problems = ["a herd"], []
    second.valid, second.invalid_because = False, ["a rule that is no more"]
    rejudge(run)
    assert (first.valid, first.invalid_because) == (False, ["a herd"])
    assert second.valid


def test_a_report_judges_a_run_of_older_rules_and_says_so(tmp_path: Path) -> None:
    run = stored()
    run.points[0].generator_cpu = 0.9
    file = tmp_path / "one" / "run.json"
    file.parent.mkdir()
    run.rules = 1
    record.save(run, file)
    (line,) = build.rebuild(tmp_path).judged
    assert f"judged by rules {VERSION} instead of 1" in line
    assert f"of {len(run.points)} points changed" in line
    after = record.load(file)
    assert (after.rules, after.points[0].bound) == (VERSION, "generator")
    assert build.rebuild(tmp_path).judged == []
