"""The parts of several generator processes, and one window out of what they counted."""

from __future__ import annotations

import random
from typing import Any

import pytest

from loadtests.load import dealing, histogram

STEP: dict[str, Any] = {"users": 0, "rate_rps": None, "arrivals": "poisson"}


@pytest.mark.parametrize(
    ("users", "processes", "each"), [(10, 2, [5, 5]), (11, 3, [4, 4, 3]), (1, 2, [1, 0])]
)
def test_users_are_dealt_evenly(users: int, processes: int, each: list[int]) -> None:
    step = {**STEP, "users": users}
    assert [dealing.dealt(step, n, processes)["users"] for n in range(processes)] == each


def test_a_rate_is_split_unless_arrivals_are_even() -> None:
    def rates(**of: Any) -> list[float]:
        return [dealing.dealt({**STEP, **of}, n, 3)["rate_rps"] for n in range(3)]

    assert rates(rate_rps=90.0) == [30.0, 30.0, 30.0]
    assert rates(rate_rps=90.0, arrivals="even") == [90.0, 0.0, 0.0]
    assert rates() == [None, None, None]


def test_no_two_processes_draw_the_same() -> None:
    seeds = [dealing.seed(f"7 {of_round}", n) for of_round in (1, 2) for n in range(3)]
    drawn = [random.Random(f"{seed} 100rps").expovariate(1) for seed in seeds]
    assert len(set(drawn)) == len(drawn)
    assert dealing.seed("7 1", 0) == seeds[0]


def window(times_ms: list[float], **other: Any) -> dict[str, Any]:
    """A window as a process that sends at a rate has counted it."""
    sent = histogram.measured([time_ms / 2 for time_ms in times_ms])
    return {
        "requests": len(times_ms),
        "failures": 1,
        "failure_kinds": {"reset": 1},
        "unfinished": 2,
        "in_flight": 2.5,
        "served": 2,
        "connections": None,
        "unanswered": 0,
        "slowest_first_ms": 10.0,
        "overslept_p99_ms": 1.0,
        "problems": [],
        "due": 7,
        "lag_p99_ms": 1.0,
        "sent_histogram": sent["histogram"],
        **histogram.measured(times_ms),
        **other,
    }


def test_windows_are_one() -> None:
    """It is as if one process had counted all of it."""
    few, many = [10.0, 20.0], [30.0 + n for n in range(98)]
    found = dealing.merged(
        [
            window(few, lag_p99_ms=9.0, problems=["late"]),
            window(many, failure_kinds={"timeout": 2}, failures=2, slowest_first_ms=12.0),
        ]
    )
    together = histogram.measured(few + many)
    assert {name: found[name] for name in together} == together
    assert (found["requests"], found["failures"], found["due"]) == (100, 3, 14)
    assert found["failure_kinds"] == {"reset": 1, "timeout": 2}
    assert (found["in_flight"], found["unfinished"], found["served"]) == (5.0, 4, 4)
    assert found["connections"] is None
    assert (found["lag_p99_ms"], found["slowest_first_ms"]) == (9.0, 12.0)
    assert found["problems"] == ["late"]
    halves = histogram.measured([time_ms / 2 for time_ms in few + many])
    assert (found["sent_p50_ms"], found["sent_p99_ms"]) == (halves["p50_ms"], halves["p99_ms"])


def test_a_process_without_requests() -> None:
    idle = window([], failures=0, failure_kinds={}, in_flight=0.0)
    found = dealing.merged([window([10.0, 20.0]), idle])
    assert (found["requests"], found["mean_ms"], found["in_flight"]) == (2, 15.0, 2.5)
    assert dealing.merged([idle, idle])["p50_ms"] is None


def test_of_users_without_an_answer_no_first_one_is_the_slowest() -> None:
    waiting = window([10.0], unanswered=1, slowest_first_ms=None)
    found = dealing.merged([window([10.0]), waiting])
    assert (found["unanswered"], found["slowest_first_ms"]) == (1, None)


def test_what_is_in_flight_in_all() -> None:
    """Each process looks at instants of its own."""
    samples = [[(1.0, 5), (2.0, 6)], [(1.5, 10), (2.5, 20)]]
    assert dealing.in_flight(samples) == [(1.5, 15), (2.0, 16), (2.5, 26)]


def test_the_core_that_has_most_to_do() -> None:
    """Processes that share one are busy together, whatever each of them uses."""
    shared = [{"core": 1, "cpu": 0.5}, {"core": 1, "cpu": 0.4}, {"core": 1, "cpu": 0.01}]
    assert dealing.busiest(shared) == 0.91
    apart = [{"core": 1, "cpu": 0.5}, {"core": 2, "cpu": 0.4}, {"core": 1, "cpu": 0.01}]
    assert dealing.busiest(apart) == 0.51
    nowhere = [{"core": None, "cpu": 0.5}, {"core": None, "cpu": 0.4}]
    assert dealing.busiest(nowhere) == 0.5


def test_windows_that_are_not_one() -> None:
    first, late = {"opened": 5.0, "closed": 6.0}, {"opened": 5.2, "closed": 6.0}
    assert dealing.apart([first, first]) == ""
    assert dealing.apart([first, late]) == (
        "the windows of the load's processes were 200 ms apart at their ends"
    )
