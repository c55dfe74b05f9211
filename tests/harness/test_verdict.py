"""The ceiling of a point, and the rules by which it is believed or not."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.bench.kinds import KINDS, Step
from loadtests.bench.rules import fewest_requests
from loadtests.bench.verdict import judge, set_ceiling
from loadtests.record import Point

INFO = {"workers": 1, "slots": 1000, "client_pool": 1000}
STEP = Step("s", 10)


def point(users: int = 10, delay_s: float = 0.1, duration_s: float = 10.0, **other: Any) -> Point:
    """A believable point: 10 users × 100 ms for 10 s, 1000 requests."""
    requests = other.pop("requests", round(users / delay_s * duration_s))
    values = {"requests": requests, "backend_calls": requests, "generator_cpu": 0.5, **other}
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
    set_ceiling(point, {**INFO, **info}, KINDS[kind], step)
    judge(point, KINDS[kind], instruments=instruments)
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
    "generator": (
        {"generator_cpu": 0.85},
        {"generator_cpu": 0.86},
        "generator's core was 86% busy",
    ),
    "backend": ({"backend_cpu": 0.85}, {"backend_cpu": 0.86}, "the backend was 86% busy"),
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
        {"in_flight": 10.0, "mean_ms": 97.0, "p99_ms": 101.0},
        {"in_flight": 10.0, "mean_ms": 90.0, "p99_ms": 101.0},
        "10.0 requests were in flight, but rate × mean response time is 9.0",
    ),
    "no core": ({"generator_cpu": None}, {"generator_cpu": 1.0}, "generator's core was 100% busy"),
    "requests": ({"requests": 20}, {"requests": 19}, "only 19 requests completed, at least 20"),
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
    """What has waited since before the window may be answered in it."""
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


@pytest.mark.parametrize(
    ("kind", "other"),
    [
        ("pollers", {}),  # times count from when a request was due, so what waits is not in flight
        ("delay", {"in_flight": None}),
        ("delay", {"mean_ms": 1010.0}),  # the window's ends cut off too much
        ("delay", {"requests": 49, "backend_calls": 49, "duration_s": 2.0}),
    ],
)
def test_where_little_s_law_is_not_asked(kind: str, other: dict[str, Any]) -> None:
    measured = point(**{"in_flight": 30.0, "mean_ms": 101.0, "p99_ms": 101.0, **other})
    assert not any("Little" in reason for reason in reasons(measured, kind))


def test_little_s_law_allows_for_the_ends_of_a_window() -> None:
    """One request of 60 may be cut off of one user; of a thousand users hardly any."""
    alone = {"users": 1, "duration_s": 6.0, "in_flight": 1.0, "mean_ms": 100.0, "p99_ms": 101.0}
    assert reasons(point(**alone, requests=59)) == []
    many = {**alone, "users": 1000, "in_flight": 1000.0}
    assert reasons(point(**many, requests=58_300)) == []
    (only,) = reasons(point(**many, requests=57_300))
    assert "Little's law" in only


def test_little_s_law_of_arrivals() -> None:
    step = Step("s", rate_rps=100)
    values = {"users": 0, "requests": 400, "duration_s": 4.0, "unfinished": 10, "mean_ms": 101.0}
    values |= {"p50_ms": 101.0, "p99_ms": 110.0, "in_flight": 10.2}
    assert reasons(point(**values), "open", step) == []
    (only,) = reasons(point(**{**values, "in_flight": 11.0}), "open", step)
    assert "Little's law" in only


def test_what_the_generator_saw_itself() -> None:
    measured = point()
    judge(measured, KINDS["delay"], ["3 of 5 idle connections were closed"])
    assert (measured.valid, measured.invalid_because) == (
        False,
        ["3 of 5 idle connections were closed"],
    )


def test_nothing_was_answered() -> None:
    nobody = "nobody was served: none of 10 users had an answer in the window"
    assert reasons(point(requests=0, backend_calls=10)) == [nobody]


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
        ({"dropped": 1}, "1 arrivals were dropped"),
        ({"lag_p99_ms": 5.1}, "start lag p99 5.1 ms is above 5"),
        ({"generator_cpu": 0.9}, "the generator's core was 90% busy"),
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
