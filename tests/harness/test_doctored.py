"""Runs that are not what they seem: each is caught, and by name."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Stage
from test_bench import run
from test_verdict import point, reasons

from loadtests.bench import rules
from loadtests.catalog import ROOT
from loadtests.record import Point
from loadtests.runtime.local import LocalRuntime

LITTLE = rules.LITTLE
DOCTORED = Path(__file__).with_name("doctored_generator.py")


def doctor(runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    """Have `runtime` start a generator with that fault."""

    def generator(plan: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        command = [sys.executable, str(DOCTORED), fault, plan]
        environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
        return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)

    monkeypatch.setattr(runtime, "generator", generator)


def said(point: Point, words: str) -> bool:
    return not point.valid and any(words in reason for reason in point.invalid_because)


def test_services_that_cheat(stage: Stage, runtime: LocalRuntime, tmp_path: Path) -> None:
    """Services that skip the wait, or the backend, or give each other's answers."""
    faults = {
        "skips": "the wait was skipped",
        "ignores": "the backend received 0 calls",
        "mixes": "wrong body)",
    }
    services = stage("honest", **{fault: fault for fault in faults})
    status, result = run(runtime, services, tmp_path / "results", users=(5,))
    points = {point.service: point for point in result.points}
    assert status == 1
    assert points["honest"].invalid_because == []
    for fault, words in faults.items():
        assert said(points[fault], words), points[fault].invalid_because
    assert [row.service for row in result.summary if row.valid] == ["honest"]


@pytest.fixture
def exact(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Little's law as it is in a run: the stage widens it."""
    monkeypatch.setattr(rules, "LITTLE", LITTLE)


# The generator's fault, that of the service which brings it to light, and what is said.
LOST = {
    "not told": ("hides", "drops", "the backend received"),
    "sent again": ("retries", "drops", "the backend received"),
    "not told, nor seen by the backend": ("hides", "abandons", "Little's law"),
}


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize(("fault", "service", "words"), LOST.values(), ids=LOST)
def test_a_generator_that_loses_failures(
    fault: str,
    service: str,
    words: str,
    stage: Stage,
    runtime: LocalRuntime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A generator that counts failures as successes."""
    doctor(runtime, monkeypatch, fault)
    of = {"users": (10,), "window_s": 3.0}
    _, result = run(runtime, stage(**{service: service}), tmp_path / "results", **of)
    (point,) = result.points
    assert (point.failures, point.failure_kinds) == (0, {})
    assert said(point, words), point.invalid_because


@pytest.mark.usefixtures("exact")
@pytest.mark.parametrize("service", ["drops", "abandons"])
def test_a_generator_that_counts_failures(
    service: str, stage: Stage, runtime: LocalRuntime, tmp_path: Path
) -> None:
    """A generator that counts failures reports them."""
    of = {"users": (10,), "window_s": 3.0}
    _, result = run(runtime, stage(**{service: service}), tmp_path / "results", **of)
    (point,) = result.points
    assert point.failures
    assert said(point, f"requests failed ({point.failures} reset)"), point.invalid_because
    assert not said(point, "Little's law")


@pytest.mark.parametrize("fault", ["herd", "none"])
def test_users_that_begin_at_once(
    fault: str,
    stage: Stage,
    runtime: LocalRuntime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    doctor(runtime, monkeypatch, fault)
    of = {"users": (20,), "delay_s": 0.5, "window_s": 1.0}
    _, result = run(runtime, stage("good"), tmp_path / "results", **of)
    (point,) = result.points
    if fault == "herd":
        assert said(point, "of 20 users began within a tenth of 0.5 s: a herd")
    else:
        assert point.invalid_because == []


@pytest.mark.parametrize(
    ("fault", "bound", "because", "most"),
    [
        ("tires", "generator", "the generator's core was 97% busy", 35),
        # A rate that others disturb still counts where it is sustained, and a window of 2 s can
        # take in as many more as wait at its end: 60/s on average, and by chance some more.
        ("disturbed", "others", "other processes used 50% of the load's core", 80),
    ],
)
def test_a_capacity_beyond_the_generator(
    fault: str,
    bound: str,
    because: str,
    most: float,
    stage: Stage,
    runtime: LocalRuntime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The service could do 50/s, but not what makes the load: a lower bound, and no more."""
    doctor(runtime, monkeypatch, fault)
    monkeypatch.setattr(rules, "MAX_LAG_MS", 1000.0)
    of = {"kind": "capacity", "limit_ms": 200.0, "delay_s": 0.01, "window_s": 1.0}
    services = stage(slow="queues")
    for number in range(8):  # where the machine pauses, the search ends below the limit
        _, result = run(runtime, services, tmp_path / f"results-{number}", **of)
        (point,) = result.points
        if point.bound == bound:
            break
    assert point.capacity_rps
    assert 10 < point.capacity_rps <= most
    assert (point.failed_at_rps, point.bound) == (None, bound)
    assert because in {probe["because"] for probe in point.probes}


def test_a_generator_at_its_limit() -> None:
    busy = point(generator_cpu=0.97)
    assert (reasons(busy), busy.bound) == ([], "generator")
    near = point()
    assert reasons(near, instruments={"generator_ceiling_rps": 124.0}) == []
    assert near.bound == "generator"
    assert reasons(point(), instruments={"generator_ceiling_rps": 125.0}) == []
    assert reasons(point(), instruments={"generator_ceiling_rps": None}) == []
