"""Light and heavy requests that are due at the same instants for all services."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain, islice, pairwise
from statistics import median

import pytest
from test_paced import Clock, user_of
from test_paced import clock as clock  # a fixture

from loadtests.bench.profiles import UnknownProfile, select
from loadtests.workloads.interference import Interference, perfect, schedule
from loadtests.workloads.interference.schedule import Schedule

PROFILE = select("interference")[0]
assert isinstance(PROFILE.settings, Interference)
OF: Interference = PROFILE.settings


def drawn(seed: str) -> Schedule:
    rates = OF.rate_rps, OF.heavy_rate_rps
    return schedule.draw(seed, OF.users[0], *rates, PROFILE.window_s)


def test_a_schedule_follows_from_its_seed() -> None:
    assert drawn("7 1") == drawn("7 1") != drawn("7 2")


def test_the_load_is_that_of_the_profile() -> None:
    found = drawn("7 1")
    due = sorted(chain.from_iterable(found.light))
    assert len(due) == OF.rate_rps * PROFILE.window_s
    assert len(found.heavy) == OF.heavy_rate_rps * PROFILE.window_s
    assert 0 <= due[0] <= due[-1] < PROFILE.window_s
    period_s = OF.users[0] / OF.rate_rps
    for user in found.light:  # the first one comes again
        again = (*user, user[0] + found.cycle_s)
        assert min(b - a for a, b in pairwise(again)) > 0.499 * period_s
    heavy = (*found.heavy, found.heavy[0] + found.cycle_s)
    gaps = [b - a for a, b in pairwise(heavy)]
    assert gaps == pytest.approx([1 / OF.heavy_rate_rps] * len(gaps))


def test_light_and_heavy_users_keep_to_one_clock(clock: Clock) -> None:
    """A user that begins at any instant sends the requests that the schedule has from there."""
    from loadtests.workloads.interference import load

    found = drawn("7 1")
    for kind, number, due_s in (
        (load.LightUser, 28, found.light[3]),
        (load.HeavyUser, 29, found.heavy),
    ):
        user = user_of(kind)
        user.number, user.schedule, user.origin = number, found, 50.0
        clock.now = 50.0 + 3.3 * found.cycle_s
        due = list(islice(user.starts(), 3 * len(due_s)))
        assert due[0] >= 50.0 + 3.3 * found.cycle_s
        phases = [round((at - 50.0) % found.cycle_s, 6) for at in due]
        assert sorted(set(phases)) == pytest.approx(due_s, abs=1e-5)
        assert [b > a for a, b in pairwise(due)] == [True] * (len(due) - 1)


def test_a_perfect_loop_by_hand() -> None:
    """Requests before a burst of 50 ms at 0.2, due back during it, and sent during it."""
    of = Schedule(1.0, ((0.1, 0.195, 0.21),), (0.2,))
    times_s = perfect.times_s(of, 0.01, 0.05)
    assert sorted(times_s) == pytest.approx([0.01, 0.05, 0.055])


def test_bursts_that_meet_wait_for_each_other() -> None:
    of = Schedule(1.0, ((0.21,),), (0.2, 0.2))
    assert perfect.times_s(of, 0.01, 0.05) == pytest.approx([0.10])


def test_equal_services_differ_by_less_than_a_tenth() -> None:
    """The medians of three windows of a perfect loop, even where the instants are others."""

    def p99(seed: str) -> float:
        burst_s = OF.burst_ms / 1000
        times_s = sorted(perfect.times_s(drawn(seed), OF.delay_s, burst_s))
        return times_s[-1 - len(times_s) // 100]

    medians = [median(p99(f"{run} {turn}") for turn in (1, 2, 3)) for run in range(100)]
    assert max(medians) < 1.1 * min(medians)


def test_the_reference_of_a_run() -> None:
    found = OF.perfect_loop(7, 3, PROFILE.window_s)
    assert found == OF.perfect_loop(7, 3, PROFILE.window_s)
    of = found[f"{OF.users[0]} users"]
    assert of["p50_ms"] == 1000 * OF.delay_s
    delay_ms = 1000 * OF.delay_s
    assert delay_ms + 0.8 * OF.burst_ms < of["p99_ms"] <= delay_ms + OF.burst_ms
    # Arrivals in the first half of a burst, and those whose answer comes in it: 35 of 250 ms.
    assert of["held_up"] == pytest.approx(0.14, abs=0.03)
    assert select("composite")[0].settings.perfect_loop(7, 3, 3.0) == {}


def test_a_window_that_cuts_a_period() -> None:
    with pytest.raises(UnknownProfile, match="whole number"):
        replace(PROFILE, window_s=5.1)
