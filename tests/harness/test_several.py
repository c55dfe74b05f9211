"""A load that several processes make, over real services: they count what one would."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest
from commandline import Command, until
from conftest import Stage
from test_bench import run
from test_generator import closed, events, without_lateness

from loadtests.bench import plan
from loadtests.bench.laps import Laps
from loadtests.bench.profiles import UnknownProfile
from loadtests.load import histogram
from loadtests.runtime import LoadProcesses
from loadtests.runtime.local import LocalRuntime

PROCESSES = 2
BENCH = ("bench", "--profile", "smoke", "--services", "tornado", "--runtime", "local")


@pytest.fixture
def several(runtime: LocalRuntime) -> LocalRuntime:
    """A runtime whose load is made by two processes."""
    real = runtime.generator

    def generator(plan: str) -> Any:
        return real(json.dumps({**json.loads(plan), "processes": PROCESSES}))

    runtime.generator = generator  # type: ignore[method-assign]
    return runtime


def test_users_of_two_processes(stage: Stage, several: LocalRuntime) -> None:
    """The backend has had as many calls as both have counted requests."""
    windows = closed(several, stage("good")[0], users=(5, 50), delay_s=0.05)
    for users, window in zip((5, 50), windows, strict=True):
        own = window["generator_processes"]
        assert [process["process"] for process in own] == [0, 1]
        assert sum(process["requests"] for process in own) == window["requests"] > users
        assert all(process["requests"] for process in own)
        assert (window["failures"], window["unanswered"]) == (0, 0)
        assert window["connections"] == window["unfinished"] == users
        assert abs(window["backend_calls"] - window["requests"]) <= users
        assert window["in_flight"] == pytest.approx(users, rel=0.05)
        rps = window["requests"] / window["duration_s"]
        assert window["in_flight"] == pytest.approx(rps * window["mean_ms"] / 1000, rel=0.3)


def test_arrivals_of_two_processes(stage: Stage, several: LocalRuntime) -> None:
    """Random ones come from both, even ones from the first."""
    found = closed(
        several,
        stage("good")[0],
        kind="open",
        rates=(200,),
        even_rates=(200,),
        delay_s=0.02,
        window_s=2.0,
    )
    for window in found:
        assert without_lateness(window["problems"]) == []
        assert window["due"] == pytest.approx(400, rel=0.25)
        assert (window["failures"], window["dropped"], window["undrained"]) == (0, 0, 0)
        # Those in flight at either end of the window; more where the machine stood still then.
        assert abs(window["backend_calls"] - window["requests"]) <= 100
        assert window["lag_p99_ms"] is not None
    of_random, of_even = (
        [process["requests"] for process in window["generator_processes"]] for window in found
    )
    assert min(of_random) > 100
    assert of_even[1] == 0


def test_delays_of_two_processes(stage: Stage, several: LocalRuntime, tmp_path: Path) -> None:
    """Of a file each delay is one process's: with two delays each has one of them."""
    file = tmp_path / "delays"
    file.write_text("0.01 0.2")
    (only,) = closed(
        several,
        stage("good")[0],
        kind="tail",
        rate_rps=100,
        delays=(f"file {file}",),
        window_s=1.0,
    )
    assert without_lateness(only["problems"]) == []
    assert only["failures"] == 0
    assert only["added_p50_ms"] is not None
    long = sum(time_ms >= 200 for time_ms in each_time_ms(only["histogram"]))
    assert long == pytest.approx(only["generator_processes"][1]["requests"], abs=2)


def each_time_ms(text: str) -> list[float]:
    """The response times in a histogram."""
    found: list[float] = []
    for time_ms, so_far in histogram.counts(text):
        found += [time_ms] * (so_far - len(found))
    return found


def test_a_worker_that_is_killed(
    stage: Stage, several: LocalRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """In mid-window: its point is invalid and says why; the next one is measured."""
    real, killed = Laps.lap, []

    def lap(self: Laps, name: str) -> None:
        if name == "warming_up_s" and not killed:  # a window has opened
            killed.append(workers(os.getpid())[0])
            os.kill(killed[0], signal.SIGKILL)
        real(self, name)

    monkeypatch.setattr(Laps, "lap", lap)
    status, result = run(several, stage("good"), tmp_path / "results", users=(4, 8), window_s=3.0)
    first, second = result.points
    assert status == 1
    assert len(killed) == 1
    assert not first.valid
    (reason,) = first.invalid_because
    assert "of the 2 processes that make the load ended with -9" in reason
    assert first.requests == 0
    assert second.requests > 8
    assert not any("make the load" in reason for reason in second.invalid_because)
    assert until(lambda: workers(os.getpid()) == [])


def workers(of: int) -> list[int]:
    """The numbers of the worker processes that descend from a process."""
    found = []
    for process in psutil.Process(of).children(recursive=True):
        try:
            if "loadtests.load.worker" in process.cmdline() and "leash" not in str(
                process.cmdline()
            ):
                found.append(process.pid)
        except psutil.Error:
            continue
    return found


def test_a_fault_of_the_service_is_said_as_ever(stage: Stage, several: LocalRuntime) -> None:
    (only,) = events(several, stage(bad="garbles")[0], users=(4,), delay_s=0.05)
    assert only["event"] == "broken"


def test_nothing_is_left_after_an_interrupt(tmp_path: Path) -> None:
    results = tmp_path / "results"
    with Command(*BENCH, "--results", str(results), "--load-processes", "2") as one:
        one.until_it_says("load: 2 processes")
        one.until_it_says("[1/2")
        one.interrupt()
        status, said, complaints = one.end(30)
        assert (status, complaints) == (130, "")
        assert "interrupted: 1 of 2 points are in the report" in said
        assert until(lambda: one.processes() == [])
    (file,) = results.glob("*/run.json")
    document = json.loads(file.read_text())
    assert document["workloads"]["smoke"]["load_processes"] == 2
    (point,) = document["points"]
    assert [process["process"] for process in point["generator_processes"]] == [0, 1]


@pytest.mark.parametrize("name", ["chat", "cores", "gil", "capacity"])
def test_other_kinds_are_refused(name: str) -> None:
    with pytest.raises(UnknownProfile, match=rf"LOAD_PROCESSES=2 is not for {name}: .* delay"):
        plan.parts(name, "", "local", {}, load_processes=LoadProcesses(2))
