"""Findings say whose a figure is: a service's, or the instrument's, and of how many rounds."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
import run_costs
import run_kinds
import runs

from loadtests.bench import profiles
from loadtests.record import Run, Spread
from loadtests.report import sections
from loadtests.report.results import parts, places


def finding(run: Run) -> str:
    (part,) = parts.split(run)
    return sections.of(part).finding(part)


def tail(added_ms: dict[str, float], alone: dict[str, Any], rounds: int = 3) -> Run:
    """Rounds of delays that are drawn: what each service adds, and the generator alone."""
    scenario, rng = "tail-500rps-constant", random.Random(1)
    run = runs.empty("tail")
    run.workloads = {"tail": {"kind": "tail", "title": "", "perfect": {scenario: alone}}}
    run.services = {name: runs.about(name, 1000) for name in added_ms}
    run.points = [
        run_kinds.base(
            "tail", name, rng, turn, scenario=scenario, delays="constant 0.1", rate_rps=500.0,
            added_p50_ms=1.0, added_p99_ms=added / 2, added_p999_ms=added,
        )
        for turn in range(1, rounds + 1)
        for name, added in added_ms.items()
    ]  # fmt: skip
    return runs.summed(run)


def test_a_tail_within_that_of_the_generator_alone_is_not_the_service_s() -> None:
    added = {"sanic": 8.0, "tornado": 9.89, "flask-gevent": 13.2, "flask-threads": 44.0}
    said = finding(tail(added, {"added_p999_ms": 9.41}))
    assert "8.00 ms" not in said and "9.89 ms" not in said
    assert "13.2 ms in flask-gevent, the least of these; 44.0 ms in flask-threads, the most" in said
    assert (
        "the generator alone, with no service, adds 9.41 ms, and sanic and tornado no more" in said
    )


def test_a_tail_beyond_the_generator_s_is_beside_it() -> None:
    said = finding(tail({"sanic": 11.5, "flask-threads": 44.0}, {"added_p999_ms": 9.41}))
    assert "11.5 ms in sanic, the least; 44.0 ms in flask-threads, the most" in said
    assert said.endswith("the generator alone, with no service, adds 9.41 ms.")
    only = finding(tail({"flask-threads": 44.0}, {"added_p999_ms": 9.41}))
    assert "44.0 ms in flask-threads;" in only  # neither the least nor the most of one


def test_the_last_in_a_thousand_of_one_round_are_chance() -> None:
    said = finding(tail({"sanic": 1.5, "flask-threads": 44.0}, {}, rounds=1))
    assert "44.0 ms in flask-threads, which 1 round cannot tell apart" in said


def test_a_generator_that_cannot_be_relied_on_is_no_measure() -> None:
    said = finding(
        tail({"sanic": 9.0, "flask-threads": 44.0}, {"added_p999_ms": 9, "valid": False})
    )
    assert "9.00 ms in sanic, the least" in said and "generator" not in said


def losing(run: Run, service: str, lost: dict[int, int]) -> Run:
    """The run in which a service lost so many deliveries to the most connections, by round."""
    for point in run.points:
        if (point.service, point.idle_connections) == (service, 5000) and point.round in lost:
            point.valid, point.invalid_because = False, ["deliveries were lost"]
            point.failures = lost[point.round]
            point.failure_kinds = {"lost": point.failures}
    return runs.summed(run)


def test_a_chat_that_lost_deliveries_has_no_time_from_the_round_that_is_left() -> None:
    run = run_kinds.run("chat", services=("sanic", "tornado"))
    assert re.search(r"; [\d,]+ ms in tornado, the latest\.", finding(run))
    said = finding(losing(run, "tornado", {1: 6600, 3: 2200}))
    assert re.match(r"With .* took up to [\d.]+ ms in sanic; tornado lost ", said)
    assert "tornado lost 33 % and 11 % of the deliveries in 2 of 3 rounds." in said
    assert "ms in tornado" not in said


def test_a_chat_of_which_all_lost_deliveries_says_so() -> None:
    run = run_kinds.run("chat", services=("sanic",), rounds=1)
    said = finding(losing(run, "sanic", {1: 5000}))
    assert said.startswith(
        "With 5,000 connections sanic lost 25 % of the deliveries in 1 of 1 round"
    )


def pool(added_ms: dict[str, dict[int, float]]) -> Run:
    """The p99 that each service adds to a delay of 100 ms, by its slots."""
    rng = random.Random(1)
    run = runs.empty("pool")
    run.workloads = {"pool": {"kind": "pool", "title": ""}}
    run.services = {name: runs.about(name, 40) for name in added_ms}
    run.points = [
        run_kinds.base(
            "pool", name, rng, 1, scenario=f"pool-{slots}-slots", slots=slots, rate_rps=200.0,
            delays="constant 0.1", added_p50_ms=1.0, added_p99_ms=added, p99_ms=100 + added,
        )
        for name, of in added_ms.items()
        for slots, added in of.items()
    ]  # fmt: skip
    return runs.summed(run)


def test_a_pool_keeps_the_wait_for_a_slot_short_and_not_the_delay() -> None:
    found = {"sanic": {24: 9.0, 28: 3.0}, "flask-threads": {24: 34.0, 40: 5.7}}
    assert finding(pool(found)) == (
        "At 200 requests/s, constant delays of 100 ms, by Little's law 20.0 slots are in use on "
        "average; 24 slots of sanic and 40 slots of flask-threads keep the wait for one below "
        "10 ms at p99, the fewest of those that were tried."
    )


def test_services_without_a_valid_round_are_named() -> None:
    said = finding(runs.troubled())
    assert said.endswith(" No round of gone and sanic was valid.")
    assert "No round" not in finding(runs.made_up())


def test_requests_of_few_users_are_said_to_be_theirs() -> None:
    run = runs.made_up({"sanic": (0.15, 1000), "flask-threads": (0.6, 1000)}, users=(10, 1000))
    for row in run.summary:
        row.starved, row.served = row.service == "flask-threads", min(row.users, 640)
    assert re.search(r"flask-threads the fewest, 1,\d+ \(640 of 1,000 users served\)", finding(run))
    for row in run.summary:  # in the window, if not before it
        row.served = row.users
    assert "served" not in finding(run)


def test_two_that_reached_the_same_have_it_each() -> None:
    run = runs.made_up({"fastapi": (0.1, 1000), "sanic": (0.1, 1000)}, users=(10,), rounds=1)
    for row in run.summary:
        row.rps = Spread(100.0, 100.0, 100.0)
    assert "cannot tell apart, reached 100 each." in finding(run)


def crowded(growths: dict[str, list[float]]) -> Run:
    """Pollers whose CPU per request is so many times as much in a crowd, round by round."""
    run = run_kinds.run("pollers", services=tuple(growths))
    run.points = [point for point in run.points if point.idle_connections in (100, 900)]
    for point in run.points:
        grown = growths[point.service][point.round - 1]
        point.cpu_ms_per_request = 0.2 * (grown if point.idle_connections == 900 else 1)
    return runs.summed(run)


@pytest.mark.parametrize("growth", [[0.91, 0.92, 0.93], [1.02, 1.05, 1.08], [0.7, 1.3, 1.4]])
def test_a_cost_that_does_not_grow_stays_the_same(growth: list[float]) -> None:
    said = finding(crowded({"scratch-epoll": growth, "scratch-select": [7.1, 7.2, 7.3]}))
    assert said.endswith(
        "request stays the same from 100 to 900 in scratch-epoll; grows ×7.2 from 100 to 900 in "
        "scratch-select, the most."
    )


def test_a_cost_that_falls_does_not_grow() -> None:
    said = finding(crowded({"scratch-epoll": [0.4, 0.5, 0.6], "scratch-select": [7.1, 7.2, 7.3]}))
    assert "request falls ×0.50 from 100 to 900 in scratch-epoll, the least; grows ×7.2" in said


def test_none_of_several_is_none() -> None:
    run = run_costs.run("cost", services=("sanic", "tornado"))
    for point in run.points:
        point.cpu_ms_per_request = 0.2 * point.round
    assert "apart for none of the 4 costs of a service at a rate." in finding(runs.summed(run))


def test_the_cores_of_one_profile_of_several() -> None:
    run = run_costs.run("cores", services=("sanic",))
    run.workloads = {"cost": {"kind": "cost"}, "cores": {"kind": "cores", "spread": True}}
    assert places.pinned(run) == (
        "the service pinned to one core, backend and generator to another; in the profile "
        "cores the service pinned to 2 cores, which it shared with the load"
    )


def test_an_overload_is_one_and_a_half_times_the_capacity() -> None:
    (profile,) = profiles.select("overload")
    assert "1.5 times what it can do" in profile.title
    assert "half more" not in profile.title and "half again" not in profile.title
