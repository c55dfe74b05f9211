"""What is called noise: intervals, the floor, and what they say of two services."""

from __future__ import annotations

import random
from statistics import median

import pytest
import runs

from loadtests.record import Run, noise, summarise

SCENARIO = "1000-users"


def scaled(run: Run, service: str, figure: str, *factors: float) -> Run:
    """The run with a figure of a service multiplied, by a factor for each round."""
    for point in run.points:
        if point.service == service:
            setattr(
                point, figure, getattr(point, figure) * factors[(point.round - 1) % len(factors)]
            )
    run.summary = summarise(run.points)
    return run


@pytest.mark.parametrize("size", [2, 3, 4, 7, 30])
def test_an_interval_contains_the_median_and_is_always_the_same(size: int) -> None:
    rng = random.Random(size)
    values = [rng.gauss(100, 10) for _ in range(size)]
    found = noise.of_median(values)
    assert found is not None
    assert min(values) <= found.low <= median(values) <= found.high <= max(values)
    noise._of_median.cache_clear()
    noise._draws.cache_clear()
    rng.shuffle(values)
    assert noise.of_median(values) == found


def test_an_interval_of_three_rounds_is_their_range() -> None:
    assert noise.of_median([5, 3, 4]) == noise.Interval(3, 5)
    assert noise.of_median([5]) is None
    assert noise.of_median([]) is None


def test_an_interval_covers_what_it_says() -> None:
    """Of samples of 30 about 95 in 100 intervals contain the true median."""
    rng = random.Random(1)
    found = [noise.of_median([rng.gauss(100, 10) for _ in range(30)]) for _ in range(400)]
    share = sum(one is not None and one.low <= 100 <= one.high for one in found) / len(found)
    assert 0.90 <= share <= 0.99


def test_the_interval_of_a_ratio() -> None:
    rng = random.Random(2)
    first, second = ([rng.gauss(mean, 2) for _ in range(30)] for mean in (100, 120))
    apart = noise.of_ratio(first, second)
    assert apart is not None
    assert 1.15 < apart.low < median(second) / median(first) < apart.high < 1.25
    # What both did alike from round to round is no noise of their ratio.
    drift = [rng.uniform(50, 150) for _ in range(30)]
    paired = noise.of_paired_ratio(
        dict(enumerate(drift)), {number: 1.2 * value for number, value in enumerate(drift)}
    )
    assert paired is not None
    assert (paired.low, paired.high) == (pytest.approx(1.2), pytest.approx(1.2))
    loose = noise.of_ratio(drift, [1.2 * value for value in drift])
    assert loose is not None and loose.low < 1.1 < 1.3 < loose.high


def test_a_ratio_that_is_none() -> None:
    assert noise.of_ratio([1, 2, 3], [1]) is None
    assert noise.of_ratio([0, 2, 3], [1, 2, 3]) is None
    assert noise.of_paired_ratio({1: 1, 2: 2}, {2: 1, 3: 2}) is None


def test_the_floor_is_the_largest_difference_of_the_two() -> None:
    run = runs.twice(runs.made_up(), "sanic")
    assert noise.doubles(run) == {"sanic-again": "sanic"}
    assert noise.floor(run, "rps") == 0
    for point in run.points:
        if (point.service, point.users) == ("sanic-again", 50):
            point.rps *= 0.8
        if (point.service, point.users) == ("sanic-again", 10):
            point.rps *= 1.1
    assert noise.floor(run, "rps") == pytest.approx(0.25)
    assert noise.floor(run, "p99_ms") == 0
    assert noise.floor(run, "rps", "chat") is None
    for point in run.points:
        if (point.service, point.users) == ("sanic", 50):
            point.valid = False
    assert noise.floor(run, "rps") == pytest.approx(0.1)


def test_without_a_second_measurement_the_floor_is_unknown() -> None:
    assert noise.floor(runs.made_up(), "rps") is None


def test_two_measurements_that_are_equal_are_within_noise() -> None:
    run = runs.twice(runs.made_up(), "sanic")
    for figure in noise.FIGURES:
        assert noise.within_noise(run, "sanic", "sanic-again", SCENARIO, figure)


@pytest.mark.parametrize(
    ("factors", "tied"),
    [
        ((0.80, 0.801, 0.802), False),
        ((0.97, 0.971, 0.972), True),  # apart in every round, and less than the floor
        ((0.80, 0.90, 1.01), True),  # the ranges overlap
    ],
)
def test_within_noise(factors: tuple[float, ...], tied: bool) -> None:
    run = runs.made_up({"sanic": (0.15, 1000), "tornado": (0.15, 1000)})
    for point in run.points:
        point.rps = 1000 + point.round
    run = runs.twice(run, "sanic")
    scaled(run, "sanic-again", "rps", 0.95)
    scaled(run, "tornado", "rps", *factors)
    for one, other in (("sanic", "tornado"), ("tornado", "sanic")):
        assert noise.within_noise(run, one, other, SCENARIO, "rps") is tied
    del run.services["sanic-again"]  # as in older runs: only the intervals decide
    assert noise.within_noise(run, "sanic", "tornado", SCENARIO, "rps") is (factors[2] > 1)


@pytest.mark.parametrize(("factor", "tied"), [(0.6, True), (0.1, False)])
def test_little_is_known_from_one_round(factor: float, tied: bool) -> None:
    run = runs.made_up({"sanic": (0.15, 1000), "tornado": (0.15, 1000)}, rounds=1)
    for point in run.points:
        point.rps = 1000
    scaled(run, "tornado", "rps", factor)
    assert noise.within_noise(run, "sanic", "tornado", SCENARIO, "rps") is tied
