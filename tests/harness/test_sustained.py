"""Which rates are sustained, and the search for the highest, over services made up here."""

from __future__ import annotations

import random
from dataclasses import replace
from statistics import median
from typing import Any

import pytest

from loadtests.workloads.capacity import search as searching
from loadtests.workloads.capacity.search import NothingFound, rounded, search, undisturbed
from loadtests.workloads.open_rate.sustained import (
    Growth,
    Samples,
    Verdict,
    Window,
    growth,
    judge,
    keeps_up,
)


def in_flight(
    rate_rps: float, response_s: float, duration_s: float, seed: int, more_rps: float = 0.0
) -> Samples:
    """Samples, 100 a second, of arrivals at random that are answered after so long.

    `more_rps` of them a second are never answered.
    """
    rng = random.Random(seed)
    at, open_until = -2 * response_s, []
    while at < duration_s:
        at += rng.expovariate(rate_rps)
        lost = at > 0 and rng.random() < more_rps / rate_rps
        open_until.append((at, float("inf") if lost else at + response_s))
    times = [number / 100 for number in range(int(100 * duration_s))]
    return [(now, sum(a <= now < b for a, b in open_until)) for now in times]


def test_random_arrivals_are_no_growth() -> None:
    """A false growth is as rare as chance has it: with two standard errors, 1 in 44 windows."""
    grew = 0
    for seed in range(40):
        samples = in_flight(50, 0.1, 10, seed)
        found = growth(samples, 50)
        assert found
        assert abs(found.rps) < 5 * found.error_rps
        grew += found.beyond_noise(5, 10)
    assert grew <= 5


def test_a_queue_that_grows_is_seen() -> None:
    found = growth(in_flight(50, 0.1, 10, 1, more_rps=5), 50)
    assert found
    assert found.rps == pytest.approx(5, rel=0.5)
    assert found.beyond_noise(25, 10)


def test_the_error_is_at_least_that_of_arrivals_at_random() -> None:
    """Blocks that are shorter than a response time hide it."""
    for rate, seconds in ((50.0, 10.0), (50.0, 1.0)):
        slopes, errors = [], []
        for seed in range(60):
            found = growth(in_flight(rate, 0.1, seconds, seed), rate)
            assert found
            slopes.append(found.rps)
            errors.append(found.error_rps)
        deviation = (sum(slope**2 for slope in slopes) / len(slopes)) ** 0.5
        assert 0.6 * deviation < median(errors) < 2 * deviation


def test_too_few_samples_say_nothing() -> None:
    assert growth([(0.0, 3)] * 5, 100) is None


def test_arrivals_may_be_unanswered_as_the_ends_of_a_window_have_it() -> None:
    assert keeps_up(10_000, 9_951, 1)
    assert keeps_up(10_000, 9_850, 1000)  # 50, and 3 × √2000
    assert not keeps_up(10_000, 9_800, 1000)
    assert keeps_up(100, 103, 10)


def window(**other: Any) -> Window:
    good = Window(
        rate_rps=1000.0, duration_s=10.0, arrivals=10_000, answers=10_000, failures=0, dropped=0,
        in_flight=100.0, growth=Growth(0.1, 0.2), p99_ms=120.0, sent_ms=119.0, lag_ms=0.4, busy=0.4,
    )  # fmt: skip
    return replace(good, **other)


@pytest.mark.parametrize(
    ("wrong", "because", "fault"),
    [
        ({}, "", ""),
        ({"dropped": 3}, "3 requests were dropped", ""),
        ({"failures": 1}, "1 of 10000 requests failed", ""),
        ({"answers": 9_800}, "only 9,800 of 10,000", ""),
        ({"growth": Growth(5.0, 1.0)}, "100 in flight grew by 5 a second", ""),
        ({"growth": Growth(5.0, 3.0)}, "", ""),  # noise
        ({"growth": Growth(0.3, 0.1)}, "", ""),  # 3 more in 10 s are no queue
        ({"growth": None}, "", ""),
        ({"p99_ms": 201.0, "sent_ms": 200.5}, "p99 201 ms is above 200 ms", ""),
        ({"p99_ms": 201.0, "sent_ms": 150.0}, "the generator was late", "generator"),
        (
            {"answers": 9_000, "lag_ms": 60.0},
            "the generator was late: start lag p99 60 ms",
            "generator",
        ),
        ({"lag_ms": 60.0}, "", ""),  # and yet all were answered in time
        ({"late": "only 2 requests arrived"}, "the generator was late: only 2", "generator"),
        ({"busy": 0.9}, "the generator's core was 90% busy", "generator"),
        (  # what a moment was given up for is never sustained, though nothing else was seen
            {"hopeless": True, "arrivals": 4, "answers": 0, "growth": None, "p99_ms": None},
            "more were in flight than can be answered in time",
            "",
        ),
    ],
)
def test_a_verdict(wrong: dict[str, Any], because: str, fault: str) -> None:
    said = judge(window(**wrong), limit_ms=200, spare_ms=100, most_busy=0.85)
    assert said.because.startswith(because)
    assert (said.sustained, said.fault) == (not because, fault)


class Service:
    """A service that sustains about `rps`: a probe sees that less well than a window."""

    def __init__(self, rps: float, seed: int, noise: float = 0.02, bad_luck: float = 0.05) -> None:
        self.rps, self.noise, self.bad_luck = rps, noise, bad_luck
        self.rng = random.Random(seed)
        self.windows: dict[float, Verdict] = {}

    def tried(self, rate_rps: float, noise: float) -> Verdict:
        if rate_rps > self.rps * self.rng.gauss(1, noise) or self.rng.random() < self.bad_luck:
            return Verdict("a pause, or too much")
        return Verdict()

    def probe(self, rate_rps: float) -> Verdict:
        return self.tried(rate_rps, 3 * self.noise)

    def window(self, rate_rps: float) -> Verdict:
        self.windows[rate_rps] = self.tried(rate_rps, self.noise)
        return self.windows[rate_rps]


@pytest.mark.parametrize("rps", [1.35, 9.9, 370.0, 3900.0, 11_000.0])
def test_the_search_finds_the_capacity(rps: float) -> None:
    """The search is unbiased: half of the rates it finds are too high, half too low."""
    found = []
    for seed in range(300):
        service = Service(rps, seed)
        one = search(service.probe, service.window)
        assert service.windows[one.capacity_rps].sustained  # it is what a window has shown
        assert len(service.windows) <= searching.WINDOWS
        found.append(one.capacity_rps / rps)
    assert median(found) == pytest.approx(1, abs=0.03)
    assert sum(abs(share - 1) < 0.05 for share in found) > 0.8 * len(found)


def test_without_noise_it_is_as_close_as_two_rates_may_be() -> None:
    for rps in (3.0, 47.0, 812.0, 9_999.0):
        service = Service(rps, 1, noise=0, bad_luck=0)
        found = search(service.probe, service.window)
        assert found.failed_at_rps
        assert found.capacity_rps <= rps < found.failed_at_rps
        assert found.failed_at_rps <= rounded(found.capacity_rps * searching.CLOSE) * 1.01
        assert not found.ended


def test_a_generator_at_its_limit_makes_it_a_lower_bound() -> None:
    def tried(rate_rps: float) -> Verdict:
        return Verdict("no CPU left", "generator") if rate_rps > 9000 else Verdict()

    found = search(tried, tried)
    assert 8600 < found.capacity_rps <= 9000
    assert (found.failed_at_rps, found.ended) == (None, "generator")


def test_no_window_is_begun_in_a_hurry_unless_there_is_none() -> None:
    probes, service = (Service(rps, 1, noise=0, bad_luck=0) for rps in (500, 1e9))
    found = search(probes.probe, service.window, lambda failed: True)
    assert sum(said.sustained for said in service.windows.values()) == 1
    assert (found.failed_at_rps, found.ended) == (None, "time")


def test_what_others_disturb_is_repeated_and_no_failure_of_the_service() -> None:
    """Every third try is disturbed: what is found is what would be without."""
    service, calm = (Service(812, 1, noise=0, bad_luck=0) for _ in range(2))
    tries = 0

    def tried(rate_rps: float) -> Verdict:
        nonlocal tries
        tries += 1
        return service.window(rate_rps) if tries % 3 else Verdict("a stranger", "others")

    each = undisturbed(tried, lambda: False)
    assert search(each, each) == search(calm.probe, calm.window)


@pytest.mark.parametrize(("late", "tries"), [(False, 1 + searching.AGAIN), (True, 1)])
def test_it_is_repeated_a_few_times_and_then_no_capacity_but_a_lower_bound(
    late: bool, tries: int
) -> None:
    tried: list[float] = []

    def window(rate_rps: float) -> Verdict:
        tried.append(rate_rps)
        return Verdict("a stranger", "others") if rate_rps > 500 else Verdict()

    found = search(undisturbed(window, lambda: late), undisturbed(window, lambda: late))
    assert 470 < found.capacity_rps <= 500
    assert (found.failed_at_rps, found.ended) == (None, "others")
    first_too_much = next(rate for rate in tried if rate > 500)
    assert tried.count(first_too_much) == 2 * tries  # a probe that fails is tried twice anyway
    calm = [rate for rate in tried if rate <= 500]
    assert len(calm) == len(set(calm))


def test_a_search_that_finds_no_window_that_fails() -> None:
    probes, windows = (Service(rps, 1, noise=0, bad_luck=0) for rps in (500, 1e9))
    found = search(probes.probe, windows.window)
    assert len(windows.windows) == searching.MOST_WINDOWS
    assert (found.failed_at_rps, found.ended) == (None, "windows")


@pytest.mark.parametrize("rps", [0.1, 1e9])
def test_no_capacity_is_found_where_there_is_none(rps: float) -> None:
    service = Service(rps, 1, noise=0, bad_luck=0)
    with pytest.raises(NothingFound, match="were"):
        search(service.probe, service.window)


def test_a_service_that_only_probes_bear_has_no_capacity() -> None:
    with pytest.raises(NothingFound, match="no rate was sustained for a window"):
        search(lambda rate: Verdict("much" * (rate > 500)), lambda rate: Verdict("too much"))
