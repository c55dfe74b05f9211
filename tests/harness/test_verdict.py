"""The ceiling of a point, and the rules by which it is believed or not."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.record import Point
from loadtests.verdict import fewest_requests, judge, set_ceiling

INFO = {"workers": 1, "slots": 1000, "client_pool": 1000}


def point(users: int = 10, delay_s: float = 0.1, duration_s: float = 10.0, **other: Any) -> Point:
    """A believable point: 10 users × 100 ms for 10 s, 1000 requests."""
    requests = other.pop("requests", round(users / delay_s * duration_s))
    values = {"requests": requests, "backend_calls": requests, "generator_cpu": 0.5, **other}
    made = Point(
        service="one", scenario="s", round=1, users=users, rate_rps=None, delay_s=delay_s,
        duration_s=duration_s, **values,
    )  # fmt: skip
    made.rps = (made.requests - made.failures) / duration_s
    return made


def reasons(point: Point, **info: int) -> list[str]:
    set_ceiling(point, {**INFO, **info})
    judge(point)
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
    set_ceiling(measured, {**INFO, **info})
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
        {"backend_calls": 1010},
        {"backend_calls": 1011},
        "the backend received 1011 calls",
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
    "no core": ({"generator_cpu": None}, {"generator_cpu": 1.0}, "generator's core was 100% busy"),
    "requests": ({"requests": 20}, {"requests": 19}, "only 19 requests completed, at least 20"),
}


@pytest.mark.parametrize(("edge", "beyond", "reason"), RULES.values(), ids=RULES)
def test_each_rule_alone(edge: dict[str, Any], beyond: dict[str, Any], reason: str) -> None:
    assert reasons(point(**edge)) == []
    (only,) = reasons(point(**beyond))
    assert reason in only


def test_nothing_was_answered() -> None:
    assert reasons(point(requests=0)) == ["only 0 requests completed, at least 20 are needed"]


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
        assert fewest_requests(measured) == fewest
