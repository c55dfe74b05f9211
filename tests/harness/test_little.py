"""Little's law over windows: what its ends may cut off, and what may not be missing."""

from __future__ import annotations

from typing import Any

import pytest

from loadtests.bench.rules import littles_law
from loadtests.load import histogram
from loadtests.record import Point
from loadtests.workloads import KINDS


def window(users: int = 10, duration_s: float = 10.0, **other: Any) -> Point:
    """Users that each have a request of 100 ms in flight, all the time."""
    requests = round(10 * users * duration_s)
    values = {"in_flight": float(users), "mean_ms": 100.0, "requests": requests, **other}
    return Point(
        profile="p", service="s", scenario="s", round=1, users=users, rate_rps=None, delay_s=0.1,
        duration_s=duration_s, **values,
    )  # fmt: skip


def arrivals(in_flight: float = 100.0, **other: Any) -> Point:
    """For 4 s 1000 requests/s arrive, and each is answered after 100 ms."""
    values = {"users": 0, "duration_s": 4.0, "requests": 4000, "unfinished": 100, **other}
    return window(in_flight=in_flight, **values)


def holds(point: Point, kind: str = "delay") -> bool:
    return littles_law(point, KINDS[kind]) == ""


@pytest.mark.parametrize("users", [1, 10, 1000])
def test_one_request_of_each_user_may_be_cut_off(users: int) -> None:
    """The window is 40 times as long as a request, whose length has been the same always."""
    alike = {"duration_s": 4.0, "histogram": histogram.of([100.0])}
    assert holds(window(users, **alike))
    assert holds(window(users, **alike, requests=39 * users))
    assert not holds(window(users, **alike, requests=37 * users))
    assert not holds(window(users, **alike, requests=43 * users))


def test_a_window_as_short_as_its_requests_is_checked_too() -> None:
    """One request of 1 s in a window of 2 s may be all that was answered, but not none of it."""
    short = {"users": 100, "duration_s": 2.0, "mean_ms": 1000.0}
    assert holds(window(**short, requests=100))
    assert holds(window(**short, requests=300))
    of_ten = {**short, "duration_s": 10.0, "histogram": histogram.of([1000.0])}
    assert holds(window(**of_ten, requests=900))
    assert not holds(window(**of_ten, requests=800))


def test_long_requests_are_cut_off_more_than_short_ones() -> None:
    """A request in flight at an instant is likely to be a long one."""
    mixed = [50.0] * 99 + [5050.0]  # 100 ms on average; in flight are those of 2.55 s
    missing = {"duration_s": 10.0, "requests": 800}
    assert holds(window(**missing, histogram=histogram.of(mixed)))
    assert not holds(window(**missing, histogram=histogram.of([100.0])))


def test_users_that_are_left_unserved_have_no_response_times() -> None:
    """A thousand in flight, of which 300 were served: only those can be in the times."""
    values = {"users": 1000, "duration_s": 4.0, "requests": 12_000, "served": 300}
    assert not holds(window(**values))
    assert holds(window(**values, starved=True))
    assert not holds(window(**{**values, "requests": 10_000}, starved=True))  # nor of the 300 all
    assert not holds(window(**{**values, "requests": 44_000}, starved=True))  # more than there are
    assert holds(window(**{**values, "served": None}, starved=True))  # an older run


def test_arrivals() -> None:
    assert holds(arrivals(), "open")
    assert holds(arrivals(106.0), "open")
    assert not holds(arrivals(120.0), "open")
    assert holds(arrivals(120.0), "interference")  # no such law: times count from when it was due


def test_a_line_that_grows_is_cut_off_where_it_is_longest() -> None:
    """With 100 arrivals/s more than answers 400 wait in the end, the last ones for long."""
    waits = [100.0 + step / 10 for step in range(4000)]
    grown = {"mean_ms": 300.0, "histogram": histogram.of(waits)}
    assert holds(arrivals(330.0, unfinished=500, **grown), "open")
    assert not holds(arrivals(500.0, unfinished=500, **grown), "open")


def test_a_mean_of_few_samples_is_not_exact() -> None:
    """Requests of 1 ms, 50/s: one is in flight at every twentieth look."""
    rare = {"users": 0, "duration_s": 4.0, "requests": 200, "mean_ms": 1.0, "unfinished": 0}
    assert holds(window(**rare, in_flight=0.08), "open")
    assert not holds(window(**rare, in_flight=0.2), "open")


@pytest.mark.parametrize("unknown", ["in_flight", "mean_ms"])
def test_an_older_run_without_a_value_passes(unknown: str) -> None:
    assert holds(window(**{"requests": 500, unknown: None}))
