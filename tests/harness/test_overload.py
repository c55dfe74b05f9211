"""Overload: when a service is as before, on made series; and callers that give up or retry."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Stage
from test_bench import run
from test_generator import profile

from loadtests.bench.profiles import UnknownProfile
from loadtests.bench.verdict import judge
from loadtests.catalog import ROOT
from loadtests.record import Point
from loadtests.runtime.local import LocalRuntime
from loadtests.workloads import KINDS
from loadtests.workloads.overload import recovery

PHASES_S = USUAL_S, OVER_S, AFTER_S = 5, 10, 12
# Of a capacity of 50/s a quarter, then four times as much: also where it was taken for another.
OVERLOAD: dict[str, Any] = {
    "kind": "overload", "delay_s": 0.01, "timeout_s": 0.3, "retries": 2, "usual_s": 3, "over_s": 3,
    "usual": 0.25, "over": 4.0, "warmup_s": 0.3, "window_s": 9.0,
}  # fmt: skip


def second(rng: random.Random, share: float = 1.0, p99_ms: float = 105.0) -> dict[str, Any]:
    """A second of some 400 arrivals, of which so many were answered, about that quickly."""
    due = round(rng.gauss(400, 20))
    answered = sum(rng.random() < share for _ in range(due))
    return {"due": due, "answered": answered, "p99_ms": p99_ms * rng.lognormvariate(0, 0.04)}


def series(after: list[tuple[float, float]], seed: int = 1) -> list[dict[str, Any]]:
    """The seconds of a run, of which those after the overload have these shares and p99s."""
    rng = random.Random(seed)
    usual = [second(rng) for _ in range(USUAL_S)]
    over = [second(rng, 0.4, 990.0) for _ in range(OVER_S)]
    return [*usual, *over, *(second(rng, *one) for one in after)]


def back_s(*after: tuple[float, float], seed: int = 1) -> int | None:
    rest = [(1.0, 105.0)] * (AFTER_S - len(after))
    return recovery.back_s(series([*after, *rest], seed), *PHASES_S)


LOST, SLOW, GOOD = (0.7, 104.0), (1.0, 400.0), (1.0, 105.0)


@pytest.mark.parametrize("seed", range(40))
def test_a_service_that_is_as_before_at_once(seed: int) -> None:
    """Chance of one second in forty runs of twelve does not make it late."""
    assert back_s(seed=seed) == 1


def test_it_is_back_when_share_and_p99_are() -> None:
    assert back_s(LOST) == 2
    assert back_s(LOST, SLOW, SLOW) == 4
    assert back_s(*[SLOW] * 9) == 10


def test_one_second_that_is_otherwise_is_a_pause_and_two_are_none() -> None:
    assert back_s(LOST, GOOD, GOOD, SLOW) == 2
    assert back_s(LOST, GOOD, GOOD, SLOW, LOST) == 6
    assert back_s(LOST, GOOD, LOST, GOOD) == 4  # a single good one is no beginning


def test_the_last_second_is_not_judged() -> None:
    """The generator is late to read the answers to it, and one before it alone is a pause."""
    assert back_s(*[GOOD] * (AFTER_S - 2), SLOW, SLOW) == 1
    assert back_s(*[GOOD] * (AFTER_S - 3), SLOW, SLOW, SLOW) is None


def test_a_service_that_does_not_come_back() -> None:
    assert back_s(*[SLOW] * AFTER_S) is None
    assert back_s(*[LOST] * AFTER_S) is None
    assert back_s(*[LOST] * (AFTER_S - 2)) is None  # a single good one says too little


def test_seconds_without_answers_are_not_as_before() -> None:
    made = series([GOOD] * AFTER_S)
    for one in made[USUAL_S + OVER_S :]:
        one["answered"], one["p99_ms"] = 0, None
    assert recovery.back_s(made, *PHASES_S) is None


def test_without_anything_to_compare_with_there_is_no_answer() -> None:
    made = series([GOOD] * AFTER_S)
    made[2]["p99_ms"] = None
    assert recovery.back_s(made, *PHASES_S) is None
    assert recovery.back_s(made[: USUAL_S + OVER_S], *PHASES_S) is None


def test_noise_before_is_allowed_after() -> None:
    """The p99 of a service that is restless at half its capacity may be so again."""
    made = series([(1.0, 210.0)] * AFTER_S)
    assert recovery.back_s(made, *PHASES_S) is None
    for one, p99_ms in zip(made, (105, 180, 120, 240, 150), strict=False):
        one["p99_ms"] = p99_ms
    assert recovery.back_s(made, *PHASES_S) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"timeout_s": 0.01}, "timeout_s must be more than delay_s"),
        ({"retries": 11}, "retries must be from 1"),
        ({"backoff_s": -1}, "backoff_s must be from 0"),
        ({"usual_s": 2}, "usual_s must be a whole number, 3 or more"),
        ({"over_s": 3.5}, "over_s must be a whole number"),
        ({"window_s": 8.0}, "window_s must be 3 or more beyond"),
        ({"usual": 1.2}, "usual must be below 1"),
    ],
)
def test_bad_settings(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnknownProfile, match=reason):
        profile(**{**OVERLOAD, **changes})


def reasons(kinds: dict[str, int], **figures: Any) -> list[str]:
    """Why a point of 1,000 requests is not valid, of which some failed like that."""
    about: dict[str, Any] = {"profile": "x", "service": "", "scenario": "", "round": 1, "users": 0}
    about |= {"rate_rps": None, "delay_s": 0.1, "duration_s": 30.0, "requests": 1000, "rps": 10.0}
    failed = sum(kinds.values())
    point = Point(**about, failures=failed, failure_kinds=kinds, p50_ms=900.0, **figures)
    judge(point, KINDS["overload"], {"info": {"slots": 100}})
    return point.invalid_because


def test_what_an_overloaded_service_does_is_its_result() -> None:
    """Requests that it leaves, refuses or fails, calls for nobody; but nothing wrong."""
    own = {"timeout": 400, "reset": 100, "refused": 100, "bad status": 200}
    assert reasons(own, backend_calls=2900) == []
    assert reasons({}, backend_calls=300) == []
    assert "failed (400 timeout, 3 wrong body)" in reasons({"timeout": 400, "wrong body": 3})[0]
    assert "5 ports" in reasons({"ports": 5})[0]


@pytest.mark.parametrize(
    ("figures", "reason"),
    [
        ({"lag_p99_ms": 60.0}, "the generator was late"),
        ({"backend_late_p99_ms": 60.0}, "the backend was late"),
        ({"strangers_service": 0.2}, "other processes used 20%"),
        ({"generator_cpu": 0.7, "backend_cpu": 0.2}, "the generator's core was 90% busy"),
        ({"problems": ["before the overload 70.0% were answered"]}, "before the overload"),
        ({"dropped": 3}, "3 arrivals were dropped"),
    ],
)
def test_what_is_not_the_services_makes_a_point_invalid(
    figures: dict[str, Any], reason: str
) -> None:
    (found,) = reasons({"timeout": 400}, **figures)
    assert reason in found


def test_a_capacity_is_the_most_that_was_answered_and_says_where_users_set_it() -> None:
    """In a process of its own: the generator's modules belong to gevent."""
    script = """
import json
from loadtests.workloads.overload import saturated

class Users:
    def __init__(self, host, delay_s):
        self.delay_s, self.number = delay_s, 0
    def grow(self, number):
        self.number = number
    def measure(self):
        return min(self.number / self.delay_s, 2500 - 0.1 * self.number)
    def leave(self):
        pass

saturated.Users = Users
found = [saturated.capacity("", delay_s) for delay_s in (0.1, 10)]
print(json.dumps([[one.rps, one.users, one.is_bound] for one in found]))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, timeout=60, check=True, capture_output=True
    )
    assert json.loads(done.stdout) == [[2460.0, 400, False], [320.0, 3200, True]]


def test_points_of_a_run(stage: Stage, runtime: LocalRuntime, tmp_path: Path) -> None:
    """A point of each kind of callers: valid though requests failed, with what it held.

    The service answers 50 requests/s, one after the other, and knows nothing of callers that left.
    """
    _, result = run(runtime, stage(slow="queues"), tmp_path / "results", **OVERLOAD)
    assert [point.scenario for point in result.points] == ["tiny-gives-up", "tiny-retries"]
    for point in result.points:
        assert [why for why in point.invalid_because if not _of_the_machine(why)] == []
        assert point.failures > 0.001 * point.requests
        assert (point.starved, point.bound, point.arrivals) == (False, "", "poisson")
        rest, *loaded, left = point.looks
        assert (rest["when"], left["when"]) == ("rest", "left")
        assert {look["when"] for look in loaded} == {"loaded"}
        assert all(look["descriptors"] > 0 for look in point.looks)
        assert max(look["descriptors"] for look in loaded) > rest["descriptors"]
    for point, most in zip(result.points, (1, 3), strict=True):
        about = point.overload
        assert 0 < about["capacity_rps"] < 60 and about["users"] == 200
        seconds = about["seconds"]
        assert len(seconds) == 9
        assert all(0 <= one["answered"] <= one["due"] for one in seconds)
        due, lost, sent = (
            [sum(figure(one) for one in seconds[at : at + 3]) for at in (0, 3, 6)]
            for figure in (
                lambda one: one["due"],
                lambda one: one["due"] - one["answered"],
                lambda one: one["sent"],
            )
        )
        assert due[1] > 4 * due[0]
        assert lost[1] > lost[0]
        assert point.failure_kinds.keys() == {"timeout"}
        assert about["calls"] > about["unwanted_calls"] > 0
        # A caller that gives up has sent one request, one that retries some or all of three.
        assert sum(sent) <= most * (sum(due) + 20)
        assert (sum(sent) > 1.2 * sum(due)) == (most > 1)


def _of_the_machine(why: str) -> bool:
    """Of a busy one: the generator was late, or the service slower than when it was measured."""
    return "generator" in why or "before the overload" in why or "arrived where" in why
