"""A service in several processes: how it is started, judged and shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import run_costs
from conftest import SETTINGS, Stage
from pages import page, shows
from test_limits import closed, judged
from test_measured import known, of

from loadtests.bench import plan
from loadtests.bench.laps import Laps
from loadtests.bench.measure import measure
from loadtests.bench.profiles import made
from loadtests.bench.rounds import new_run
from loadtests.record import Spread, summarise
from loadtests.report.results import parts, scaling
from loadtests.report.sections import of as section_of
from loadtests.runtime.local import LocalRuntime

CORES: dict[str, Any] = {
    "title": "Cores", "kind": "cores", "users": 8, "delay_s": 0.02, "rounds": 1,
    "warmup_s": 0.1, "window_s": 0.4,
}  # fmt: skip
FIRST = "Processes, at 1,000 users × 50 ms"


def test_each_number_of_processes_is_a_start_of_its_own() -> None:
    profile = made("mine", processes=(1, 2, 4), **CORES)
    for model in ("threads", "processes"):
        starts = [[step.settings() for step in steps] for steps in profile.starts(model)]
        assert starts == [[{"WORKERS": "1"}], [{"WORKERS": "2"}], [{"WORKERS": "4"}]]
    assert len({step.scenario for step in profile.steps()}) == 3


def test_the_machine_says_how_many_unless_the_profile_does() -> None:
    assert [step.workers for step in made("mine", **CORES).settings.on(4).steps("x")] == [1, 2, 4]
    given = made("mine", processes=(3,), **CORES)
    assert given.settings.on(4) is given.settings


def test_what_a_service_shares_with_the_load_is_the_least() -> None:
    """One process and a load of half a core fit on two cores; two processes do not."""
    load = {"generator_cpu": 0.4, "backend_cpu": 0.1, "requests": 8000}
    found = {
        (workers, shared): judged(closed(workers=workers, shared_cores=shared, **load), "cores")
        for workers in (1, 2)
        for shared in (None, 2)
    }
    bounds = {where: point.bound for where, point in found.items()}
    assert bounds == {(1, None): "", (1, 2): "", (2, None): "", (2, 2): "cores"}
    (row,) = summarise([found[2, 2]])
    assert row.rps and row.p99_ms is None


def test_users_that_are_all_served_are_too_few() -> None:
    assert judged(closed(workers=2), "cores").bound == "users"
    assert judged(closed()).bound == ""  # where users are what is compared


def test_slots_are_those_of_all_its_processes() -> None:
    """`/info` is that of the first start, of one process with 40 slots: two have 80."""
    fits = {"requests": 1600, "backend_calls": 1670, "workers": 2}
    assert judged(closed(**fits), "cores", "its pool of 40", slots=40).valid
    assert not judged(closed(**fits | {"workers": 1}), "cores", "its pool of 40", slots=40).valid


def test_a_point_says_how_many_processes_it_had(stage: Stage) -> None:
    """A whole turn: the service is started once for each number, on all cores it is left."""
    (service,) = stage("good")
    profile = made("mine", processes=(1, 2), **CORES)
    runtime = LocalRuntime("a test", [], SETTINGS, spread=True)
    part = plan.Part(profile, [service], {}, runtime)
    run = new_run("mine", [part])
    with runtime:
        points = list(measure(service, 1, part, run, Laps()))
    assert [point.workers for point in points] == [1, 2]
    assert all(point.requests and not point.failures for point in points)
    together = {*runtime.service_cpus} & {*runtime.load_cpus}
    assert {point.shared_cores for point in points} == {len(together) or None}


def test_gain_and_memory_are_of_each_round(tmp_path: Path) -> None:
    run = run_costs.run("cores", services=("sanic", "tornado"))
    for point in run.points:
        alone = point.workers == 1
        point.rps = 1000.0 if alone else 1000 + 100.0 * point.round
        point.pss_bytes = 2**20 * (50 if alone else 60 + point.round)
    run.summary = summarise(run.points)
    found = page(run, tmp_path)
    for _, *cells in found.tables[FIRST]:
        assert shows(cells[0], Spread(1000, 1000, 1000))
        assert cells[1].startswith("≥ 1,200") and cells[2].startswith("≥ 1.20")
        assert shows(cells[3], Spread(12, 11, 13))
    assert [row[1] for row in found.tables["Each number of processes"]] == ["1", "2"] * 2
    assert "the service pinned to 2 cores, which it shared with the load" in found.text
    (part,) = parts.split(run)
    said = section_of(part).finding(part)
    assert "tornado ≥ ×1.2" in said and "12.0 MiB" in said
    assert "The load was on the same 2 cores" in said
    assert {chart.name for chart in section_of(part).charts(part)} == {
        "scaling", "process-cpu", "process-memory",
    }  # fmt: skip


def test_nobody_knows_the_gain_over_a_process_that_something_else_held_down() -> None:
    run = run_costs.run("cores", services=("sanic", "tornado"))
    for point in run.points:
        if point.service == "sanic":
            point.bound = "generator"
    run.summary = summarise(run.points)
    (part,) = parts.split(run)
    assert scaling.gain(part, "sanic", 2) is None
    assert scaling.gain(part, "tornado", 2)
    assert "sanic" not in section_of(part).finding(part)


def test_cores_of_its_own_make_no_least() -> None:
    run = run_costs.run("cores", services=("sanic",))
    for point in run.points:
        point.bound, point.shared_cores = "", None
    run.summary = summarise(run.points)
    (part,) = parts.split(run)
    assert "≥" not in section_of(part).finding(part)


def test_the_advice_has_what_was_measured() -> None:
    found = known(run_costs.run("cost"), run_costs.run("cores"))
    (two,) = of(found, "tornado").several
    (part,) = parts.split(run_costs.run("cores"))
    gain = scaling.gain(part, "tornado", 2)
    assert gain and (two.processes, two.at_least) == (2, True)
    assert (two.gain.median, two.gain.worst) == (gain.spread.median, gain.spread.min)
    assert two.further_bytes and two.further_bytes.median == pytest.approx(25 * 2**20, rel=0.3)
    assert [load.delay_s for load in of(found, "tornado").loads] == [0.1, 0.1]  # one process each
