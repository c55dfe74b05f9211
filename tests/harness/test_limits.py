"""Points that are starved, and those whose figure something else than the service has set."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadtests.bench.limits import bound, starved
from loadtests.bench.verdict import judge, set_ceiling
from loadtests.record import BOUNDS, Point, summarise
from loadtests.record.schema import FILE
from loadtests.workloads import KINDS
from loadtests.workloads.kind import Step

INFO = {"workers": 1, "slots": 1000, "client_pool": 1000, "concurrency": 1000}


def closed(users: int = 1000, **other: Any) -> Point:
    """A point of users with requests of 100 ms, for 4 s, all of them served."""
    values: dict[str, Any] = {"requests": 39_000, "served": users, "unanswered": 0}
    requests = other.get("requests", 39_000)
    values |= {"rps": requests / 4, "backend_calls": requests, "unfinished": users}
    return Point(
        profile="p", service="s", scenario="s", round=1, users=users, rate_rps=None, delay_s=0.1,
        duration_s=4.0, **{**values, **other},
    )  # fmt: skip


def arriving(**other: Any) -> Point:
    """1000/s for 4 s, each answered after 100 ms."""
    values = {"requests": 4000, "rps": 1000.0, "backend_calls": 4000, "unfinished": 100}
    values |= {"mean_ms": 101.0, "served": None, "unanswered": None}
    made = closed(0, **{**values, **other})
    made.rate_rps = 1000.0
    return made


def judged(point: Point, kind: str = "delay", limit: str = "", **info: int) -> Point:
    about = {"info": {**INFO, **info}, "limit": limit}
    set_ceiling(point, about["info"], KINDS[kind], Step("s", point.users, rate_rps=point.rate_rps))
    judge(point, KINDS[kind], about)
    return point


@pytest.mark.parametrize("unserved", [{"served": 999}, {"unanswered": 1}])
def test_one_user_that_was_left_unserved(unserved: dict[str, int]) -> None:
    assert not starved(closed(), KINDS["delay"])
    assert starved(closed(**unserved), KINDS["delay"])
    assert not starved(closed(**unserved), KINDS["interference"])  # users with a rate of their own


def test_an_older_run_tells_by_its_slowest_first_answer() -> None:
    unknown = {"served": None, "unanswered": None}
    assert starved(closed(**unknown, in_flight=1000.0), KINDS["delay"])
    assert not starved(closed(**unknown, in_flight=1000.0, slowest_first_ms=450.0), KINDS["delay"])
    assert not starved(closed(**unknown), KINDS["delay"])  # older still: nobody knows


def test_a_service_that_starves_its_users_is_measured_all_the_same() -> None:
    few = {"requests": 17, "rps": 4.25, "served": 17, "unanswered": 900, "p99_ms": 3000.0}
    point = judged(closed(**few), slots=1, client_pool=1)
    assert (point.valid, point.starved, point.bound) == (True, True, "")
    assert (point.figure("rps"), point.figure("p99_ms"), point.p99_ms) == (4.25, None, 3000.0)
    (row,) = summarise([point])
    assert (row.starved, row.served, row.p99_ms, row.max_ms) == (True, 17, None, None)
    assert row.rps is not None and row.rps.median == 4.25


def test_users_that_gave_up_are_unserved_and_no_failures() -> None:
    late = {"requests": 600, "failures": 100, "served": 500}
    assert judged(closed(**late, failure_kinds={"timeout": 100})).valid
    broken = judged(closed(**late, failure_kinds={"timeout": 90, "reset": 10}))
    assert broken.invalid_because == ["100 of 600 requests failed (90 timeout, 10 reset)"]
    served = judged(closed(requests=39_000, failures=100, failure_kinds={"timeout": 100}))
    assert not served.valid  # nobody starves: somebody else made them late


def test_the_harness_may_have_left_them_out() -> None:
    point = judged(closed(served=900, problems=["a herd"]))
    assert (point.valid, point.invalid_because) == (False, ["a herd"])
    full = judged(closed(served=900, connections=950, generator_cpu=0.9))
    assert (full.valid, full.starved, full.bound) == (True, False, "generator")


def test_a_service_that_calls_twice_shows_at_few_requests() -> None:
    """With one slot, one call at most can begin before the window or end after it."""
    few = {"requests": 17, "served": 17, "unanswered": 900}
    assert judged(closed(**few, backend_calls=18), slots=1, client_pool=1).valid
    (only,) = judged(closed(**few, backend_calls=34), slots=1, client_pool=1).invalid_because
    assert only == "the backend received 34 calls for 17 requests"
    once_each = {"requests": 1000, "served": 1000}
    assert judged(closed(**once_each, backend_calls=1900)).valid
    assert not judged(closed(**once_each, backend_calls=2000)).valid
    assert judged(closed(requests=356, served=353, backend_calls=870)).valid  # all sent, few read


def test_arrivals_that_stay_unanswered() -> None:
    """1000/s × 101 ms are 101 in flight, by chance 30 more, and 40 for one in 100."""
    assert not starved(arriving(), KINDS["open"])
    assert not starved(arriving(unfinished=170), KINDS["open"])
    assert starved(arriving(unfinished=190), KINDS["open"])
    assert starved(arriving(requests=0, unfinished=4000, mean_ms=None), KINDS["open"])
    assert not starved(arriving(unfinished=190), KINDS["pollers"])


def test_arrivals_are_those_that_were_due_where_that_is_known() -> None:
    """50 of 5000 arrivals may be unanswered, and no more than 30 of 3000."""
    assert not starved(arriving(unfinished=190, due=5000), KINDS["open"])
    assert starved(arriving(unfinished=170, due=2900), KINDS["open"])


def test_an_older_run_does_not_say_why_its_search_ended() -> None:
    point = arriving(capacity_rps=20_000.0)
    assert bound(point, KINDS["capacity"], {}) == "generator"


def test_what_binds_has_words_and_is_in_the_schema() -> None:
    point = json.loads(FILE.read_text())["$defs"]["point"]["properties"]
    assert set(point["bound"]["enum"]) == {"", *BOUNDS}


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        ({"generator_cpu": 0.85}, ""),
        ({"generator_cpu": 0.86}, "generator"),
        ({"generator_cpu": 0.5, "backend_cpu": 0.35}, ""),
        ({"generator_cpu": 0.5, "backend_cpu": 0.36}, "generator"),  # they share a core
        ({"failure_kinds": {"ports": 1}}, "ports"),
        ({"failure_kinds": {"descriptors": 1}}, "descriptors"),
        ({"failure_kinds": {"reset": 1}}, ""),
        ({"dropped": 1}, "descriptors"),
    ],
)
def test_the_load_s_own_limits(other: dict[str, Any], expected: str) -> None:
    for made in (closed(**other), arriving(**other)):
        assert bound(made, KINDS["open"], {}) == expected
        assert bound(made, KINDS["chat"], {}) == ""  # a time is the figure: none is better


def test_near_the_most_that_the_generator_can_do() -> None:
    instruments = {"generator_ceiling_rps": 9750 / 0.8}
    for ceiling, expected in ((9750 / 0.79, ""), (9750 / 0.81, "generator")):
        point = closed()
        judge(point, KINDS["delay"], {}, {**instruments, "generator_ceiling_rps": ceiling})
        assert (point.valid, point.bound) == (True, expected)


def test_the_ceiling_is_of_one_process_on_one_core() -> None:
    """Two that share a core have no more; on two cores they have twice as much."""
    for cores, expected in (((1, 1), "generator"), ((1, 2), "")):
        point = closed()
        point.generator_processes = [{"process": n, "core": core} for n, core in enumerate(cores)]
        judge(point, KINDS["delay"], {}, {"generator_ceiling_rps": 9750 / 0.81})
        assert point.bound == expected


def test_slots_that_the_harness_gave() -> None:
    """2000 users, and CONCURRENCY is 1000: nobody can do more than 10,000/s."""
    near = judged(closed(2000, rps=9100.0))
    assert (near.binding, near.bound, near.valid) == ("slots", "slots", True)
    assert judged(closed(2000, rps=8900.0)).bound == ""  # it had slots to spare
    assert judged(closed(1000, rps=9990.0)).bound == ""  # as many users as slots: those bind
    assert judged(closed(2000, rps=9990.0), slots=4000).bound == "client_pool"


@pytest.mark.parametrize(
    ("limit", "info"),
    [
        ("Starlette's pool of 40 threads", {"slots": 40, "client_pool": 40, "concurrency": 40}),
        ("", {"slots": 1, "client_pool": 1}),  # a process that waits for one at a time
        ("", {"slots": 16, "workers": 16}),
    ],
)
def test_slots_that_the_stack_brings(limit: str, info: dict[str, int]) -> None:
    point = closed(2000)
    point.rps = 10.0 * info["slots"]
    assert judged(point, limit=limit, **info).bound == ""


@pytest.mark.parametrize(
    ("found", "failed_at", "expected"),
    [
        (9890.0, 10_300.0, "slots"),
        (9000.0, 9400.0, ""),
        (20_000.0, None, "generator"),
        (20_000.0, None, "time"),
        (20_000.0, None, "windows"),
    ],
)
def test_a_capacity(found: float, failed_at: float | None, expected: str) -> None:
    ended = "" if failed_at else expected
    point = arriving(capacity_rps=found, failed_at_rps=failed_at, search_ended=ended)
    assert bound(point, KINDS["capacity"], {"info": INFO}) == expected
    if failed_at:
        roomy = {**INFO, "slots": 4000, "client_pool": 4000, "concurrency": 4000}
        assert bound(point, KINDS["capacity"], {"info": roomy}) == ""


@pytest.mark.parametrize(
    ("figure", "least"),
    [("p50_ms", 10), ("p90_ms", 20), ("p99_ms", 200), ("sent_p99_ms", 200), ("p999_ms", 2000)],
)
def test_a_percentile_needs_answers(figure: str, least: int) -> None:
    for answers, shown in ((least, 7.0), (least - 1, None)):
        point = closed(requests=answers, **{figure: 7.0, "max_ms": 9.0})
        assert point.figure(figure) == shown
        assert point.figure("max_ms") == 9.0
