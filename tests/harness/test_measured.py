"""The input of `make advise`: the newest results of each profile, and only valid ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import run_costs
import runs

from loadtests import catalog
from loadtests.advise.measured import Measured, Service, measured
from loadtests.catalog import PROCESSES
from loadtests.record import Run, summarise
from loadtests.report.results.stored import Entry, Results

KIB, MIB = 1024, 2**20


def known(*made: Run) -> Measured:
    """The measurements in these runs, newest first; the folders have their profiles' names."""
    found = measured(Results([Entry(Path(run.profile), run) for run in made], [], []))
    assert found is not None
    return found


def of(found: Measured, name: str) -> Service:
    return next(service for service in found.services if service.name == name)


def spoilt(run: Run, **which: Any) -> Run:
    """The run, with the points that have these values invalid."""
    for point in run.points:
        if all(getattr(point, name) == value for name, value in which.items()):
            point.valid, point.invalid_because = False, ["a test says so"]
    run.summary = summarise(run.points)
    return run


def test_each_figure_comes_from_its_source() -> None:
    standard, capacity = runs.made_up(), run_costs.run("capacity")
    held, cost = run_costs.run("held"), run_costs.run("cost")
    found = known(standard, capacity, held, cost)
    assert found.sources == {name: name for name in ("standard", "capacity", "held", "cost")}
    sanic = of(found, "sanic")
    row = next(row for row in capacity.summary if row.service == "sanic")
    assert row.capacity_rps and sanic.capacity_rps
    assert (sanic.capacity_rps.median, sanic.capacity_rps.worst) == (
        row.capacity_rps.median,
        row.capacity_rps.min,
    )
    assert sanic.at_rest_bytes and sanic.request_bytes
    assert sanic.at_rest_bytes.median == pytest.approx(40 * MIB, rel=0.1)
    assert sanic.request_bytes.median == pytest.approx(run_costs.HELD["sanic"][0] * KIB, rel=0.1)
    assert sanic.request_bytes.worst >= sanic.request_bytes.median
    assert sanic.held == 5000 and not sanic.invalid
    rates = [load.rps for load in sanic.loads]
    assert len(rates) == len({row.users for row in standard.summary}) + 3
    assert rates == sorted(rates)
    assert found.delays_s == (0.1, 0.1)


def test_missing_figures_are_none() -> None:
    found = known(runs.made_up())
    assert found.sources == {"standard": "standard", "capacity": None, "held": None}
    sanic = of(found, "sanic")
    assert (sanic.capacity_rps, sanic.at_rest_bytes, sanic.request_bytes) == (None, None, None)
    assert (sanic.held, found.held) == (1000, 1000)
    assert measured(Results([], [], [])) is None


def test_every_load_counts() -> None:
    """Loads are taken at each delay of the map; `full` where the service could not answer more."""
    found = known(runs.made_up(profile="quick"), run_costs.run("map"), run_costs.run("open"))
    assert set(found.sources) == {"quick", "map", "open", "capacity", "held"}
    assert found.delays_s == (0.01, 1.0)
    assert {load.delay_s for load in of(found, "tornado").loads} == {0.01, 0.1, 1.0}
    assert of(found, "tornado").held == 1000
    full = [load for load in of(found, "sanic").loads if load.full and load.delay_s == 0.01]
    # No more wait than it has slots: of 4,000 users 1,000.
    assert sorted(load.waiting for load in full) == [100, 1000, 1000]


def test_only_runs_of_one_machine_interpreter_and_runtime_count() -> None:
    """The runs with the most services are taken, and of equals the newest."""
    newest = runs.made_up({"sanic": (0.4, 1000)}, runtime="compose")
    there = run_costs.run("cost", services=("sanic",))
    there.machine = there.machine | {"name": "elsewhere"}
    found = known(newest, runs.made_up(), there)
    assert (set(found.sources), found.left_out) == (
        {"standard", "capacity", "held"},
        ["standard", "cost"],
    )
    assert found.where == "amd-epyc-2c (AMD EPYC 7B13), CPython 3.13.0, local processes"
    assert len(found.services) == len(runs.FIVE)
    assert found.caveats == [
        "Left out, as of another machine, interpreter or runtime: 2 runs, the newest standard."
    ]


def test_a_machine_that_was_faster_at_one_time_is_said() -> None:
    slow, quick = runs.made_up(), run_costs.run("cost")
    slow.instruments, quick.instruments = (
        {"generator_ceiling_rps": 60_000.0},
        {"generator_ceiling_rps": 90_000.0},
    )
    (said,) = known(slow, quick).caveats
    assert said == "The machine was 50 % faster in one of these runs than in another."


def test_a_limit_that_is_not_the_service_s_refuses_nothing() -> None:
    """Such a rate is a lower bound, by the summary's rule: where the median round has met one."""
    capacity = run_costs.run("capacity")
    of_each = {
        name: sorted((p for p in capacity.points if p.service == name), key=lambda p: p.rps)
        for name in ("sanic", "tornado")
    }
    for point in of_each["sanic"]:
        point.bound = "slots"
    of_each["tornado"][-1].bound = "generator"  # that stays what it is if the round is higher
    found = known(runs.summed(capacity))
    assert of(found, "flask-gevent").capacity_rps
    assert of(found, "sanic").capacity_rps is None
    assert of(found, "tornado").capacity_rps
    assert [load.full for load in of(found, "sanic").loads] == [False]


def test_the_newest_counts() -> None:
    newer, older = runs.made_up({"sanic": (0.1, 1000)}), runs.made_up({"sanic": (0.4, 1000)})
    sanic = of(known(newer, older), "sanic")
    assert all(load.cpu_ms and load.cpu_ms.median < 0.2 for load in sanic.loads)


def test_invalid_points_say_nothing() -> None:
    standard = spoilt(runs.made_up(), service="tornado", users=1000)
    held = spoilt(run_costs.run("held"), service="sanic")
    capacity = spoilt(run_costs.run("capacity"), service="sanic")
    found = known(standard, held, capacity)
    assert len(of(found, "tornado").loads) == len(of(found, "flask-gevent").loads) - 1
    sanic = of(found, "sanic")
    assert (sanic.capacity_rps, sanic.at_rest_bytes, sanic.request_bytes) == (None, None, None)
    assert sanic.held == 1000 and sanic.invalid
    assert of(known(standard, held), "scratch-select").held == 500


def test_one_request_at_a_time_needs_a_process_for_each() -> None:
    standard = runs.made_up()
    standard.services["tornado-blocking"]["info"]["workers"] = 2
    standard.services["tornado-blocking"]["info"]["slots"] = 2
    held = run_costs.run("held", services=("tornado",))
    for point in held.points:
        point.service = "tornado-blocking"
    held.services = {"tornado-blocking": standard.services["tornado-blocking"]}
    held.summary = summarise(held.points)
    blocking = of(known(standard, held), "tornado-blocking")
    assert blocking.one_at_a_time and blocking.workers == 2
    assert blocking.at_rest_bytes
    assert blocking.at_rest_bytes.median == pytest.approx(20 * MIB, rel=0.1)


def test_a_process_more_is_not_another_first_one() -> None:
    standard = runs.made_up()
    held = run_costs.run("held", services=("flask-ioloop",))
    held.points = [point for point in held.points if point.users in (0, 100, 500)]
    for point in held.points:
        point.users = {0: 1, 100: 50, 500: 100}[point.users]
        point.pss_bytes = (40 + 2 * (point.users - 1)) * MIB
    held.services["flask-ioloop"]["model"] = PROCESSES
    held.services["flask-ioloop"]["info"] |= {"workers": 1, "slots": 1}
    held.summary = summarise(held.points)
    service = of(known(standard, held), "flask-ioloop")
    assert service.at_rest_bytes and service.at_rest_bytes.median == 40 * MIB
    assert service.request_bytes and service.request_bytes.median == pytest.approx(2 * MIB)


def test_loads_that_a_service_could_not_keep_up_with() -> None:
    run = runs.made_up()
    for point in run.points:
        if point.service == "tornado" and point.users >= 200:
            point.rps = 61.0 if point.users == 200 else 40.0
    found = known(runs.summed(run))

    def full(name: str) -> list[tuple[int, float]]:
        return [(load.waiting, load.rps) for load in of(found, name).loads if load.full]

    assert full("tornado") == [(1000, 40.0), (200, 61.0)]
    assert [waiting for waiting, _ in full("sanic")] == [1000]
    assert full("tornado-blocking") == []  # its processes are what counts


def test_the_time_of_a_request_besides_the_delay() -> None:
    """By Little's law: 200 in flight at 1,600/s take 125 ms each, the backend's 100 included."""
    run = runs.made_up({"sanic": (0.2, 1000)})
    for point in run.points:
        point.rps, point.in_flight = point.users / 0.125, float(point.users)
    loads = of(known(runs.summed(run)), "sanic").loads
    assert [load.own_s for load in loads] == pytest.approx([0.025] * len(loads))


def test_the_kind_and_the_limit_of_a_service() -> None:
    run = runs.made_up()
    run.services["sanic"]["kind"] = "bare"
    run.services["tornado"] |= {"limit": "its pool"}
    run.services["tornado"]["info"]["slots"] = 40
    found = known(run)
    assert [one.mark for one in found.services] == ["", "", "bare", "", "mistake"]
    assert (of(found, "tornado").slots, of(found, "sanic").slots) == (40, None)


def test_only_services_that_are_there() -> None:
    """Services that were removed, and second names of services measured twice, are left out."""
    found = known(runs.made_up({"sanic": (0.2, 1000), "sanic-again": (0.2, 1000)}))
    assert [service.name for service in found.services] == ["sanic"]
    assert "sanic-again" not in catalog.names()
