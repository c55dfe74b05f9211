"""The ceiling of a point, and the rules by which it is believed or not."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.bench.rules import fewest_requests
from loadtests.bench.verdict import judge, set_ceiling
from loadtests.record import Point
from loadtests.workloads import KINDS
from loadtests.workloads.kind import Step

INFO = {"workers": 1, "slots": 1000, "client_pool": 1000, "concurrency": 1000}
STEP = Step("s", 10)


def point(users: int = 10, delay_s: float = 0.1, duration_s: float = 10.0, **other: Any) -> Point:
    """A believable point: 10 users × 100 ms for 10 s, 1000 requests."""
    requests = other.pop("requests", round(users / delay_s * duration_s))
    values = {"requests": requests, "backend_calls": requests, "generator_cpu": 0.5, **other}
    values.setdefault("unanswered", 0 if users else None)
    made = Point(
        profile="one", service="one", scenario="s", round=1, users=users, rate_rps=None,
        delay_s=delay_s, duration_s=duration_s, **values,
    )  # fmt: skip
    made.rps = (made.requests - made.failures) / duration_s
    return made


def reasons(
    point: Point,
    kind: str = "delay",
    step: Step = STEP,
    instruments: dict[str, float | None] | None = None,
    **info: int,
) -> list[str]:
    told = {**INFO, **info}
    set_ceiling(point, told, KINDS[kind], step)
    judge(point, KINDS[kind], {"info": told}, instruments)
    assert point.valid == (not point.invalid_because)
    return point.invalid_because


@pytest.mark.parametrize(
    ("info", "ceiling", "binding"),
    [
        ({}, 100, "users"),
        ({"slots": 10, "client_pool": 10}, 100, "users"),  # all bind: the users are named
        ({"slots": 1}, 10, "slots"),
        ({"client_pool": 2}, 20, "client_pool"),
        ({"client_pool": 2, "workers": 3}, 60, "client_pool"),  # the pool is that of one process
        ({"client_pool": 5, "workers": 4}, 100, "users"),
        ({"slots": 4, "client_pool": 1, "workers": 4}, 40, "slots"),
    ],
)
def test_the_ceiling(info: dict[str, int], ceiling: float, binding: str) -> None:
    measured = point()
    set_ceiling(measured, {**INFO, **info}, KINDS["delay"], STEP)
    assert (measured.ceiling_rps, measured.binding) == (ceiling, binding)
    assert measured.efficiency == pytest.approx(measured.rps / ceiling, abs=1e-4)


def test_a_believable_point() -> None:
    assert reasons(point()) == []


# Each rule: what just passes, what just does not, and what is said then.
RULES = {
    "efficiency": ({"requests": 1020}, {"requests": 1021}, "efficiency 1.021 is above 1.02"),
    "failures": (
        {"requests": 1000, "failures": 1},
        {"requests": 1000, "failures": 2, "failure_kinds": {"reset": 2}},
        "2 of 1000 requests failed (2 reset)",
    ),
    "more calls": (
        {"backend_calls": 1020},  # one of each user is cut off, and a hundredth was repeated
        {"backend_calls": 1021},
        "the backend received 1021 calls",
    ),
    "fewer calls": (
        {"backend_calls": 990},
        {"backend_calls": 989},
        "the backend received 989 calls",
    ),
    "backend": (
        {"backend_cpu": 0.85, "generator_cpu": 0.0},
        {"backend_cpu": 0.86, "generator_cpu": 0.0},
        "the backend was 86% busy",
    ),
    "connections": (
        {"connections": 10},
        {"connections": 9},
        "9 connections were established for 10 users",
    ),
    "no connections": (
        {"connections": None},
        {"connections": 11},
        "11 connections were established for 10 users",
    ),
    "Little's law": (
        {"in_flight": 10.0, "mean_ms": 96.0, "unanswered": 0},
        {"in_flight": 10.0, "mean_ms": 94.0, "unanswered": 0},
        "10.0 requests were in flight, but rate × mean response time is 9.4",
    ),
    "requests": ({"requests": 20}, {"requests": 19}, "only 19 requests completed, at least 20"),
    "strangers beside the service": (
        {"strangers_service": 0.05},
        {"strangers_service": 0.06},
        "other processes used 6% of the service's core, more than 5%",
    ),
    "strangers beside the load": (
        {"strangers_load": 0.1},
        {"strangers_load": 0.11},
        "other processes used 11% of the load's core, more than 10%",
    ),
    "steal": (
        {"steal_service": 0.05, "steal_load": 0.05},
        {"steal_service": 0.05, "steal_load": 0.06},
        "the host took 6% of the load's core, more than 5%",
    ),
    "a late backend": (
        {"backend_late_p99_ms": 5.0},
        {"backend_late_p99_ms": 5.1},
        "the backend was late: p99 5.1 ms is above 5",
    ),
}


@pytest.mark.parametrize(("edge", "beyond", "reason"), RULES.values(), ids=RULES)
def test_each_rule_alone(edge: dict[str, Any], beyond: dict[str, Any], reason: str) -> None:
    assert reasons(point(**edge)) == []
    (only,) = reasons(point(**beyond))
    assert reason in only


@pytest.mark.parametrize(
    ("info", "ceiling", "binding"),
    [
        ({}, 10 / 0.3, "users"),
        ({"slots": 5}, 5 / 0.3, "slots"),
        ({"slots": 1, "client_pool": 1}, 1 / 1.2, "client_pool"),  # one call after the other
        ({"client_pool": 2, "workers": 4}, 8 / 1.2, "client_pool"),
    ],
)
def test_the_ceiling_of_a_composite(info: dict[str, int], ceiling: float, binding: str) -> None:
    measured = point(requests=5, backend_calls=60)
    set_ceiling(measured, {**INFO, **info}, KINDS["composite"], STEP)
    assert (measured.ceiling_rps, measured.binding) == (round(ceiling, 3), binding)


@pytest.mark.parametrize(
    ("users", "ceiling", "binding"),
    [(25, 25 / 0.3, "users"), (60, 200, "users"), (61, 200, "cpu"), (200, 200, "cpu")],
)
def test_the_bursts_of_a_composite_need_a_core(users: int, ceiling: float, binding: str) -> None:
    measured = point(users, requests=1000)
    set_ceiling(measured, INFO, KINDS["composite"], Step("s", users, burst_s=0.005))
    assert measured.ceiling_rps == pytest.approx(ceiling, abs=0.001)
    assert measured.binding == binding


def test_a_burst_that_takes_less_than_was_measured() -> None:
    """The burst was measured before the run and elsewhere: more requests/s are valid."""
    step = Step("s", 100, burst_s=0.005)
    made = point(100, requests=2100, backend_calls=12 * 2100, p50_ms=470.0)
    assert reasons(made, "composite", step) == []
    assert (made.binding, made.efficiency) == ("cpu", 1.05)


def test_the_calls_of_a_composite() -> None:
    """Each of ten users may have one request, and so 12 calls, cut off at the window's ends.

    A hundredth of the calls may be made again.
    """
    for calls, believed in ((1200 + 132, True), (1200 + 133, False), (1200 - 121, False)):
        measured = point(requests=100, backend_calls=calls, p50_ms=301.0)
        assert (reasons(measured, "composite") == []) == believed


@pytest.mark.parametrize(("kind", "wait_ms"), [("delay", 100), ("composite", 300)])
def test_a_wait_that_was_skipped_by_some(kind: str, wait_ms: float) -> None:
    """Half of the answers came too early, which the rest may make up for in requests/s."""
    calls = {"backend_calls": 20 * KINDS[kind].calls, "requests": 20}
    assert reasons(point(p50_ms=wait_ms * 0.98, **calls), kind) == []
    (only,) = reasons(point(p50_ms=wait_ms * 0.97, **calls), kind)
    assert "the wait was skipped" in only


def test_a_rate_is_the_ceiling_and_may_be_passed() -> None:
    """Requests sent before the window may be answered in it."""
    step = Step("s", 10, rate_rps=100)
    measured = point(requests=1100, backend_calls=1100, p50_ms=101.0)
    assert reasons(measured, "pollers", step) == []
    assert (measured.ceiling_rps, measured.efficiency, measured.binding) == (100, 1.1, "rate")


def test_no_ceiling() -> None:
    measured = point(requests=20, backend_calls=0, p50_ms=0.1)
    assert reasons(measured, "file") == []
    assert (measured.ceiling_rps, measured.efficiency, measured.binding) == (None, None, "")
    assert reasons(point(requests=19, backend_calls=0), "file") == [
        "only 19 requests completed, at least 20 are needed"
    ]


def test_of_deliveries_none_may_be_lost() -> None:
    step = Step("s", 1, 100, 20.2, 2000)
    deliveries = {"users": 1, "requests": 20_000, "backend_calls": 0}
    assert reasons(point(**deliveries), "chat", step) == []
    lost = point(**deliveries, failures=1, failure_kinds={"lost": 1})
    assert reasons(lost, "chat", step) == ["1 of 20000 requests failed (1 lost)"]


def test_a_chat_at_rest() -> None:
    measured = point(users=0, requests=0, backend_calls=0, generator_cpu=1.0)
    assert reasons(measured, "chat", Step("s")) == []
    assert measured.ceiling_rps is None


def test_problems_of_the_generator_make_a_point_invalid() -> None:
    measured = point()
    measured.problems = ["3 of 5 idle connections were closed"]
    judge(measured, KINDS["delay"])
    assert (measured.valid, measured.invalid_because) == (
        False,
        ["3 of 5 idle connections were closed"],
    )


def test_nothing_was_answered() -> None:
    measured = point(requests=0, backend_calls=10, served=0)
    assert reasons(measured) == []  # a result: 0 requests/s
    assert measured.starved
    never_sent = point(requests=0, backend_calls=0, users=1)
    assert reasons(never_sent) == ["only 0 requests completed, at least 20 are needed"]


@pytest.mark.parametrize(
    ("users", "slots", "delay_s", "duration_s", "fewest"),
    [
        (1000, 1, 0.1, 3.0, 20),  # a blocking service: 30 are possible
        (50, 1, 0.1, 1.0, 8),  # and 10 here
        (200, 1, 2.0, 10.0, 3),  # and 5 here
        (200, 1, 2.0, 2.0, 1),
        (1, 1000, 0.1, 7.0, 20),
        (200, 1000, 2.0, 10.0, 20),
        (1, 1000, 0.1, 2.0, 18),  # what binds need not be the service
    ],
)
def test_the_fewest_requests_follow_from_the_ceiling(
    users: int, slots: int, delay_s: float, duration_s: float, fewest: int
) -> None:
    for requests, believed in ((fewest, True), (fewest - 1, False)):
        measured = point(users, delay_s, duration_s, requests=requests)
        assert (reasons(measured, slots=slots) == []) == believed
        assert fewest_requests(measured, KINDS["delay"]) == fewest


def arriving(**other: Any) -> Point:
    """A believable point of an open workload: 100 arrivals/s for 10 s, ten of them in flight."""
    return point(users=0, requests=1000, unfinished=10, in_flight=10.0, **other)


def test_an_open_workload() -> None:
    step = Step("s", rate_rps=100)
    assert reasons(arriving(lag_p99_ms=5.0, p50_ms=101.0), "open", step) == []
    overloaded = arriving(p50_ms=2500.0)  # a result, and not a mistake
    assert reasons(overloaded, "open", Step("s", rate_rps=200)) == []
    assert overloaded.efficiency == 0.5


@pytest.mark.parametrize(
    ("beyond", "reason"),
    [
        ({"lag_p99_ms": 5.1}, "start lag p99 5.1 ms is above 5"),
        ({"backend_calls": 1041}, "the backend received 1041 calls"),
        ({"p50_ms": 90.0}, "the wait was skipped"),
    ],
)
def test_each_rule_of_an_open_workload(beyond: dict[str, Any], reason: str) -> None:
    (only,) = reasons(arriving(**beyond), "open", Step("s", rate_rps=100))
    assert reason in only


def test_too_few_arrivals() -> None:
    measured = point(users=0, requests=19, backend_calls=19)
    (only,) = reasons(measured, "capacity", Step("s"))
    assert only == "only 19 requests completed, at least 20 are needed"


@pytest.mark.parametrize(
    ("delay_s", "p50_ms", "edge_ms"),
    [(0.01, 11.0, 2.0), (0.06, None, 3.0), (0.1, 101.0, 5.05), (0.1, 400.0, 20.0)],
)
def test_how_late_the_backend_may_be(delay_s: float, p50_ms: float | None, edge_ms: float) -> None:
    """5 % of the delay, or of what the service makes of it, but what it takes to wake up."""
    for late_ms, reason in ((edge_ms, []), (edge_ms + 0.1, ["the backend was late"])):
        measured = point(delay_s=delay_s, p50_ms=p50_ms, backend_late_p99_ms=late_ms)
        assert [why.split(":")[0] for why in reasons(measured)] == reason
    stalled = point(delay_s=delay_s, backend_late_p99_ms=900.0)
    assert reasons(stalled, "stall") == []  # that is what it is for
