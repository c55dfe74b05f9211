"""The generator and the backend, which a run measures before anything else."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
import runs
from conftest import Stage
from pages import page
from test_bench import run

from loadtests import record
from loadtests.bench import instruments
from loadtests.load import burn
from loadtests.record import summarise
from loadtests.report.results.parts import split
from loadtests.report.tables import common
from loadtests.runtime import ServiceFailed
from loadtests.runtime.local import LocalRuntime
from loadtests.runtime.process import fetch

MEASURE = instruments.measure  # which the stage replaces

SOME: dict[str, float | None] = {
    "generator_ceiling_rps": 21_000.0,
    "added_p50_ms": 0.4,
    "added_p99_ms": 1.5,
    "backend_late_p50_ms": 0.125,
    "backend_late_p99_ms": 0.9,
    "burn_cycles_per_ms": 95_432.0,
}


@pytest.fixture
def brief(monkeypatch: pytest.MonkeyPatch) -> None:
    """All windows are as short as can be."""
    short = [{**step, "window_s": 0.3, "users": 5} for step in instruments.STEPS]
    monkeypatch.setattr(instruments, "STEPS", short)


def test_the_null_server_waits_as_long_as_it_says(runtime: LocalRuntime) -> None:
    with runtime.null_server() as url:
        begun = time.perf_counter()
        status, body = fetch(f"{url}/?delay=0.2", headers={"X-Request-ID": "one"})
        assert (status, body) == (200, b'{"delay":0.2,"id":"one"}')
        assert time.perf_counter() - begun >= 0.2
        assert fetch(f"{url}/?delay=0", headers={"X-Request-ID": "a-1"})[1] == (
            b'{"delay":0,"id":"a-1"}'
        )
    with pytest.raises(OSError, match="refused"):
        fetch(url)


@pytest.mark.usefixtures("brief")
def test_a_run_measures_its_instruments_once(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Any] = []

    def measured(runtime: LocalRuntime) -> dict[str, float | None] | None:
        calls.append(MEASURE(runtime))
        return calls[-1]

    services = stage("one")
    monkeypatch.setattr(instruments, "measure", measured)
    _, result = run(runtime, services, tmp_path / "results", users=(2,), rounds=2)
    assert len(result.points) == 2
    assert [result.instruments] == calls
    assert result.instruments is not None
    assert result.instruments.keys() == SOME.keys()
    figures = {name: value or 0.0 for name, value in result.instruments.items()}
    assert figures["generator_ceiling_rps"] > 100
    assert 0 <= figures["added_p50_ms"] <= figures["added_p99_ms"]
    assert 0 < figures["backend_late_p50_ms"] <= figures["backend_late_p99_ms"]
    assert 1000 < figures["burn_cycles_per_ms"] < 1e6
    assert result.spent is not None
    assert result.spent["instruments_s"] > 0


def test_a_point_near_the_ceiling_of_its_run_is_bound(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = stage("one")
    low = {**SOME, "generator_ceiling_rps": 10.0}
    monkeypatch.setattr(instruments, "measure", lambda runtime: low)
    status, result = run(runtime, services, tmp_path / "results", users=(2,))
    assert status == 0
    assert {point.bound for point in result.points} == {"generator"}


def test_the_best_window_is_the_ceiling() -> None:
    windows: list[dict[str, Any]] = [{"requests": n, "duration_s": 0.5} for n in (900, 1000, 800)]
    windows += [{"p50_ms": 100.25, "p99_ms": 99.9}, {"late_p50_ms": 0.1, "late_p99_ms": 0.6}]
    assert instruments.instruments(95_432.1, windows) == {
        "generator_ceiling_rps": 2000.0,
        "added_p50_ms": 0.25,
        "added_p99_ms": 0.0,
        "backend_late_p50_ms": 0.1,
        "backend_late_p99_ms": 0.6,
        "burn_cycles_per_ms": 95_432.1,
    }


@pytest.mark.parametrize(
    ("burst_ms", "per_ms", "cycles"),
    [(1, 95_432.1, 95_000), (50, 95_432.1, 4_800_000), (0.001, 300, 1), (50, 250_000, 10_000_000)],
)
def test_the_cycles_of_a_burst(burst_ms: float, per_ms: float, cycles: int) -> None:
    assert burn.cycles(burst_ms, per_ms) == cycles


def test_a_burst_lasts_as_long_as_the_profile_says(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All services of a run are asked for the same cycles, which it measured and recorded."""
    monkeypatch.setattr(instruments, "measure", lambda runtime: {**SOME, "burn_cycles_per_ms": 70})
    settings: dict[str, Any] = {"users": (3,), "delay_s": 0.05, "burst_ms": 2.0, "window_s": 1.8}
    _, result = run(
        runtime, stage("one", "two"), tmp_path / "results", kind="composite", **settings
    )
    assert [point.invalid_because for point in result.points] == [[], []]
    (workload,) = result.workloads.values()
    assert (workload["burst_ms"], workload["cycles"]) == (2.0, 140)


def test_cycles_that_are_given_are_not_measured(
    stage: Stage, runtime: LocalRuntime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(burn, "cycles_per_ms")
    settings: dict[str, Any] = {"users": (3,), "delay_s": 0.05, "window_s": 1.8}
    settings |= {"burst_ms": 2.0, "cycles": 33}
    _, result = run(runtime, stage("one"), tmp_path / "results", kind="composite", **settings)
    assert [point.invalid_because for point in result.points] == [[]]
    (workload,) = result.workloads.values()
    assert workload["cycles"] == 33


def test_a_runtime_without_a_null_server_goes_on(
    runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def null_server() -> None:
        raise ServiceFailed("there is no core for it")

    monkeypatch.setattr(runtime, "null_server", null_server)
    assert MEASURE(runtime) is None
    said = capsys.readouterr().out
    assert said == "the instruments could not be measured: there is no core for it\n"


def test_the_cpu_is_measured_on_the_core_of_the_service(
    runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where the bursts run; and what it says instead of a number is told."""
    (tmp_path / "prints_its_cores.py").write_text("import os; print(*os.sched_getaffinity(0))")
    monkeypatch.setattr(burn, "__name__", "prints_its_cores")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    runtime._service_cpus = {max(os.sched_getaffinity(0))}
    assert runtime.burn() == max(os.sched_getaffinity(0))
    monkeypatch.setattr(burn, "__name__", "no_such_module")
    with pytest.raises(ServiceFailed, match=r"not measured: .*no_such_module"):
        runtime.burn()


def test_they_stand_before_the_appendix(tmp_path: Path) -> None:
    made = runs.made_up(users=(10,))
    assert "The instruments" not in page(made, tmp_path / "without").tables
    made.instruments = SOME
    folder = tmp_path / "with"
    assert page(made, folder).tables["The instruments"] == [
        ["the most that the generator can do", "21,000 requests/s"],
        ["what it adds to a response time", "0.400 ms, p99 1.50 ms"],
        ["how late the backend answers", "0.125 ms, p99 0.900 ms"],
        ["what the CPU does in a millisecond", "95,400 turns of an empty loop"],
    ]
    (markdown,) = folder.rglob("report.md")
    text = markdown.read_text()
    assert text.index("21,000 requests/s") < text.index("Effective settings")
    assert record.load(markdown.with_name("run.json")).instruments == SOME
    older = {name: value for name, value in SOME.items() if name != "burn_cycles_per_ms"}
    made.instruments = older
    assert len(page(made, tmp_path / "older").tables["The instruments"]) == 3


def test_rounds_that_differ_are_marked() -> None:
    made = runs.made_up(users=(10,))
    (part,) = split(made)
    assert "remarks" not in [name for name, _ in common.full(part).columns]
    slow = next(p for p in made.points if (p.service, p.round) == ("tornado", 2))
    slow.rps *= 0.7
    made.summary = summarise(made.points)
    (part,) = split(made)
    remarks = {row.cells[0].text: row.cells[-1].text for row in common.full(part).rows}
    assert "rounds differ by up to " in remarks.pop("tornado")
    assert set(remarks.values()) == {"–"}
