"""Pools of slots: what queueing theory says of them, and that a pool does it."""

from __future__ import annotations

import heapq
import random
from math import exp, inf
from typing import Any

import pytest
from conftest import Stage
from test_generator import closed, without_lateness

from loadtests.bench.profiles import made
from loadtests.runtime.local import LocalRuntime
from loadtests.workloads import delays
from loadtests.workloads.delays import Delays
from loadtests.workloads.pool import theory

CONSTANT, LOGNORMAL = delays.parse("constant 0.1"), delays.parse("lognormal 0.1 1")


def simulated_ms(
    rate_rps: float, drawn: Delays, slots: int, number: int = 200_000
) -> dict[float, float]:
    """The waits of so many requests for a slot, by share, first come first served."""
    rng = random.Random(1)
    free, now, waits = [0.0] * slots, 0.0, []
    for _ in range(number):
        now += rng.expovariate(rate_rps)
        begin = max(now, heapq.heappop(free))
        heapq.heappush(free, begin + drawn.quantile(rng.random()))
        waits.append(1000 * (begin - now))
    waits.sort()
    return {share: waits[int(share * number)] for share in (0.5, 0.9, 0.99)}


def test_one_slot_with_constant_delays_is_as_in_the_books() -> None:
    """M/D/1: P(wait ≤ t) = (1 - load) exp(rate t) for t up to a delay."""
    later = theory.waits_longer(5, CONSTANT, 1)
    for t in (0.0, 0.03, 0.09):
        assert later(t) == pytest.approx(1 - 0.5 * exp(5 * t), abs=1e-4)


def test_erlang_c_is_as_in_the_books() -> None:
    assert theory.erlang_c(1, 2) == pytest.approx(1 / 3)
    assert theory.erlang_c(8, 10) == pytest.approx(0.409, abs=0.001)


@pytest.mark.parametrize("slots", [24, 28])
def test_constant_delays_are_as_simulated(slots: int) -> None:
    simulated = simulated_ms(200, CONSTANT, slots)
    for share, waited_ms in simulated.items():
        by_theory = theory.waiting_ms(200, CONSTANT, slots, share)
        assert by_theory == pytest.approx(waited_ms, rel=0.15, abs=1.5)


@pytest.mark.parametrize("slots", [24, 28])
def test_other_delays_are_roughly_as_simulated(slots: int) -> None:
    """It is an approximation: within a third, for delays that vary like these."""
    waited_ms = simulated_ms(200, LOGNORMAL, slots)[0.99]
    assert theory.waiting_ms(200, LOGNORMAL, slots, 0.99) == pytest.approx(
        waited_ms, rel=0.35, abs=5
    )


def test_too_few_slots_wait_without_end() -> None:
    assert theory.occupied(200, CONSTANT) == pytest.approx(20)
    assert theory.response_ms(200, CONSTANT, 20, 0.5) == inf
    assert theory.waiting_ms(200, CONSTANT, 19, 0.5) == inf


def test_many_slots_add_nothing() -> None:
    assert theory.response_ms(200, CONSTANT, 100, 0.99) == pytest.approx(100)
    assert theory.response_ms(200, LOGNORMAL, 200, 0.5) == pytest.approx(60.7, rel=0.01)


def test_the_slots_for_a_goal() -> None:
    """The fewest whose p99 is within it; one fewer is not."""
    slots = theory.slots_for(200, CONSTANT, 0.99, 150)
    assert slots is not None
    assert theory.response_ms(200, CONSTANT, slots, 0.99) <= 150.1
    assert theory.response_ms(200, CONSTANT, slots - 1, 0.99) > 150
    assert theory.slots_for(200, CONSTANT, 0.99, 99) is None


POOL: dict[str, Any] = {
    "kind": "pool", "delays": ("constant 0.05", "bimodal 0.02 0.3 0.1"), "rates": (40,),
    "warmup_s": 0.2, "window_s": 1.5,
}  # fmt: skip


def test_what_is_added_to_each_delay(stage: Stage, runtime: LocalRuntime) -> None:
    """All answers are right, and what was added is far less than the long delays."""
    steady, mixed = closed(runtime, stage("good")[0], **POOL)
    for window in (steady, mixed):
        assert (window["failures"], without_lateness(window["problems"])) == (0, [])
        assert window["requests"] >= 20
        assert 0 <= window["added_p50_ms"] < window["p50_ms"]
        assert window["added_histogram"]
    assert mixed["max_ms"] >= 300 > mixed["added_p50_ms"]


def test_a_service_that_skips_the_wait_is_found_out(stage: Stage, runtime: LocalRuntime) -> None:
    steady, _ = closed(runtime, stage(hasty="skips")[0], **POOL)
    assert any("before the backend's: no wait" in problem for problem in steady["problems"])


def test_each_number_of_slots_is_a_start_of_its_own() -> None:
    profile = made("mine", title="x", rounds=1, slots=(3, 5), **POOL)
    starts = profile.starts()
    assert [[step.settings() for step in steps] for steps in starts] == [
        [{"CONCURRENCY": "3"}] * 2,
        [{"CONCURRENCY": "5"}] * 2,
    ]
    assert len({step.scenario for steps in starts for step in steps}) == 4
