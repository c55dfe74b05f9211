"""What `make advise` takes from the results: the newest of each, and only what is valid."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import run_costs
import runs

from loadtests import catalog
from loadtests.advise.measured import Full, Measured, Service, measured
from loadtests.catalog import PROCESSES
from loadtests.record import Run, summarise
from loadtests.report.results import Entry, Results

KIB, MIB = 1024, 2**20


def known(*made: Run) -> Measured:
    """What results of these runs, newest first, say; the folders have their profiles' names."""
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
    rates = [cpu.rps for cpu in sanic.cpu]
    assert len(rates) == len({row.users for row in standard.summary}) + 1
    assert rates == sorted(rates)
    assert found.delays_s == (0.1, 0.1)


def test_what_is_missing_is_none() -> None:
    found = known(runs.made_up())
    assert found.sources == {"standard": "standard", "capacity": None, "held": None, "cost": None}
    sanic = of(found, "sanic")
    assert (sanic.capacity_rps, sanic.at_rest_bytes, sanic.request_bytes) == (None, None, None)
    assert (sanic.held, found.held) == (1000, 1000)
    assert measured(Results([], [], [])) is None


def test_other_loads_stand_in_for_a_standard_run() -> None:
    quick = runs.made_up(profile="quick")
    assert known(quick).sources["standard"] == "quick"
    assert known(quick, runs.made_up()).sources["standard"] == "standard"


def test_the_newest_counts() -> None:
    newer, older = runs.made_up({"sanic": (0.1, 1000)}), runs.made_up({"sanic": (0.4, 1000)})
    sanic = of(known(newer, older), "sanic")
    assert all(cpu.ms.median < 0.2 for cpu in sanic.cpu)


def test_invalid_points_say_nothing() -> None:
    standard = spoilt(runs.made_up(), service="tornado", users=1000)
    held = spoilt(run_costs.run("held"), service="sanic")
    capacity = spoilt(run_costs.run("capacity"), service="sanic")
    found = known(standard, held, capacity)
    assert len(of(found, "tornado").cpu) == len(of(found, "flask-gevent").cpu) - 1
    sanic = of(found, "sanic")
    assert (sanic.capacity_rps, sanic.at_rest_bytes, sanic.request_bytes) == (None, None, None)
    assert sanic.held == 1000 and sanic.invalid
    assert of(found, "scratch-select").held == 500


def test_memory_is_rss_where_there_is_no_pss() -> None:
    held = run_costs.run("held")
    for point in held.points:
        point.pss_bytes = None
    sanic = of(known(held), "sanic")
    assert sanic.request_bytes
    assert sanic.request_bytes.median == pytest.approx(1.2 * 22 * KIB, rel=0.1)


def test_who_waits_for_one_request_at_a_time_needs_a_process_for_each() -> None:
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


def test_what_a_service_could_not_keep_up_with() -> None:
    run = runs.made_up()
    for point in run.points:
        if point.service == "tornado" and point.users >= 200:
            point.rps = 61.0 if point.users == 200 else 40.0
    found = known(runs.summed(run))
    assert of(found, "tornado").full == [Full(200, 61.0), Full(1000, 40.0)]
    assert [full.users for full in of(found, "sanic").full] == [1000]
    assert of(found, "tornado-blocking").full == []  # its processes are what counts


def test_what_a_service_is() -> None:
    run = runs.made_up()
    run.services["sanic"]["kind"] = "bare"
    run.services["tornado"] |= {"limit": "its pool"}
    run.services["tornado"]["info"]["slots"] = 40
    found = known(run)
    assert [one.mark for one in found.services] == ["", "", "bare", "", "mistake"]
    assert (of(found, "tornado").slots, of(found, "sanic").slots) == (40, None)


def test_only_services_that_are_there() -> None:
    """Not the ones of the past, nor the second name of one that was measured twice."""
    found = known(runs.made_up({"sanic": (0.2, 1000), "sanic-again": (0.2, 1000)}))
    assert [service.name for service in found.services] == ["sanic"]
    assert "sanic-again" not in catalog.names()
