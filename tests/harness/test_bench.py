"""`bench.run` over small services: what ends up in run.json, and what is left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import runs
from conftest import Stage

from loadtests import bench, record
from loadtests.catalog import Service
from loadtests.local import LocalRuntime
from loadtests.process import fetch
from loadtests.profiles import Profile
from loadtests.record import Point, Run
from loadtests.runtime import ServiceFailed


def profile(**other: Any) -> Profile:
    settings = {"users": (2, 5), "delay_s": 0.05, "rounds": 1, "warmup_s": 0.1, "window_s": 0.5}
    return Profile(name="tiny", title="", **{**settings, **other})


def run(
    runtime: LocalRuntime, services: list[Service], folder: Path, **other: Any
) -> tuple[int, Run]:
    """The exit status and the record."""
    status = bench.run(profile(**other), services, runtime, folder)
    (left,) = folder.iterdir()
    assert {"run.json", "report.md", "report.html"} <= {path.name for path in left.iterdir()}
    assert left.name.endswith("-tiny")
    return status, record.load(left / "run.json")


def of(result: Run, name: str) -> list[Point]:
    return [point for point in result.points if point.service == name]


def test_all_is_well(stage: Stage, runtime: LocalRuntime, tmp_path: Path) -> None:
    status, result = run(runtime, stage("one", "two"), tmp_path / "results", rounds=2, users=(5,))
    assert [point.invalid_because for point in result.points] == [[]] * 4
    assert status == 0
    assert result.finished_at
    assert (result.runtime, result.runtime_because) == ("local", "a test asks for it")
    for point in result.points:
        assert (point.ceiling_rps, point.binding) == (point.users / 0.05, "users")
        assert point.efficiency == pytest.approx(point.rps / point.ceiling_rps, abs=1e-4)
        assert point.rps == pytest.approx(point.requests / point.duration_s, abs=0.01)
        assert point.cpu_ms_per_request is not None
        assert 0 < point.cpu_ms_per_request < 50
        assert point.rss_bytes is not None
        assert 5e6 < point.rss_bytes < 1e9
    assert [(row.service, row.users, row.rounds) for row in result.summary] == [
        (name, 5, 2) for name in dict.fromkeys(p.service for p in result.points)
    ]
    with pytest.raises(OSError, match="refused"):  # nothing is left of the backend
        fetch(f"{runtime.backend_url}/health")


def test_the_order_differs_by_round_and_follows_from_the_seed() -> None:
    services = [Service(name, *[""] * 6) for name in "abcdefgh"]
    turns = list(bench._turns(services, 3, seed=5))
    assert turns == list(bench._turns(services, 3, seed=5))
    assert turns != list(bench._turns(services, 3, seed=6))
    orders = [[s.name for s, number in turns if number == of_round] for of_round in (1, 2, 3)]
    assert [sorted(order) for order in orders] == [list("abcdefgh")] * 3
    assert len({tuple(order) for order in orders}) == 3
    assert [number for _, number in turns] == [1] * 8 + [2] * 8 + [3] * 8


@pytest.mark.usefixtures("impatient")
def test_the_others_go_on(stage: Stage, runtime: LocalRuntime, tmp_path: Path) -> None:
    faults = {
        "exits": "exited with 1 before it was ready",
        "deaf": "was not ready within 3 s",
        "garbles": "GET /?delay=0.01 was answered with 200",
        "misinforms": "GET /info was answered with 200",
        "poses": "/info is that of 'another'",
        "holder": "was still held",
        "skips": "the wait was skipped",
        "ignores": "the backend received 0 calls",
        "mixes": "wrong body)",
    }
    services = stage("good", **{name: name for name in faults})
    status, result = run(runtime, services, tmp_path / "results", users=(5,))
    os.kill(int((services[0].folder.parent / "holder" / "child.pid").read_text()), signal.SIGKILL)
    assert status == 1
    assert [point.valid for point in of(result, "good")] == [True]
    for name, reason in faults.items():
        (point,) = of(result, name)
        assert not point.valid, name
        assert any(reason in because for because in point.invalid_because), point.invalid_because
    assert of(result, "exits")[0].log_tail == "the last words of a service"
    assert of(result, "deaf")[0].log_tail == "listens to nobody"
    assert {row.service for row in result.summary if row.valid} == {"good"}
    report = next((tmp_path / "results").iterdir()) / "report.md"
    assert "the last words of a service" in report.read_text()


def test_a_service_that_dies_in_mid_run(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path
) -> None:
    """It answers 30 requests: enough for two users, and then no more."""
    status, result = run(
        runtime, stage(mortal="dies"), tmp_path / "results", users=(1, 5), window_s=1.0
    )
    alive, dead = of(result, "mortal")
    assert status == 1
    assert alive.requests > 5
    assert not dead.valid
    assert dead.invalid_because == ["mortal exited with 7 in mid-run"]
    assert dead.log_tail.endswith("the last words of a service")


def test_a_generator_that_crashes_or_hangs(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash, hang = "raise SystemExit('out of luck')", "import time; time.sleep(300)"
    todo = iter([crash, hang])

    def generator(plan: str) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        return subprocess.Popen([sys.executable, "-c", next(todo)], text=True, **pipes)

    monkeypatch.setattr(runtime, "generator", generator)
    monkeypatch.setattr(bench, "GENERATOR_SLACK_S", 1.0)
    status, result = run(runtime, stage("one"), tmp_path / "results", users=(5,), rounds=2)
    crashed, hung = result.points
    assert status == 1
    assert crashed.invalid_because == ["the generator ended with 1"]
    assert crashed.log_tail == "out of luck"
    assert hung.invalid_because == ["the generator ended with -9"]


def test_the_backend_does_not_start(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = stage("one")
    link = tmp_path / "services" / "backend"
    link.unlink()
    link.mkdir()
    (link / "serve").write_text("#!/bin/sh\necho no core for me\nexit 4\n")
    (link / "serve").chmod(0o755)
    with pytest.raises(ServiceFailed, match="backend exited with 4") as caught:
        bench.run(profile(), services, runtime, tmp_path / "results")
    assert caught.value.log_tail == "no core for me"
    assert not (tmp_path / "results").exists()


def test_an_interrupt_keeps_the_points_that_are_done(
    stage: Stage,
    runtime: LocalRuntime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def show(self: object, point: Point) -> None:
        assert json.loads(next((tmp_path / "results").glob("*/run.json")).read_text())["points"]
        raise KeyboardInterrupt

    monkeypatch.setattr(bench.Progress, "show", show)
    status, result = run(runtime, stage("one", "two"), tmp_path / "results")
    assert status == 130
    assert len(result.points) == 1
    assert result.finished_at is None
    assert "interrupted: 1 of 4 points are in the report" in capsys.readouterr().out


def test_an_interrupt_before_the_first_point(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def generator(plan: str) -> subprocess.Popen[str]:
        raise KeyboardInterrupt

    monkeypatch.setattr(runtime, "generator", generator)
    assert bench.run(profile(), stage("one"), runtime, tmp_path / "results") == 130
    assert not (tmp_path / "results").exists()


def test_runs_of_the_same_second_have_a_folder_each(tmp_path: Path) -> None:
    result = runs.empty(profile="tiny")
    with ThreadPoolExecutor(8) as pool:
        folders = list(
            pool.map(lambda _: bench._new_folder(tmp_path / "results", result), range(8))
        )
    names = sorted(folder.name for folder in folders)
    first = "2026-11-20T140500Z-amd-epyc-2c-tiny"
    assert names == [first, *(f"{first}-{number}" for number in range(2, 9))]
