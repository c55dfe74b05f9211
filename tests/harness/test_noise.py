"""The block model: what it takes for noise, and that equal services are not called different."""

from __future__ import annotations

import random
from itertools import pairwise
from math import exp, log, sqrt

import pytest
import runs

from loadtests.record import Run, noise
from loadtests.record.blocks import Block

SCENARIO = "1000-users"
Values = dict[str, dict[int, float]]


def table(rng: random.Random, deviations: dict[str, float], rounds: int, round_: float) -> Values:
    """Equal services: what is done to a round is done to all, the rest by their deviations."""
    shared = [rng.gauss(0, round_) for _ in range(rounds)]
    return {
        name: {at + 1: 1000 * exp(shared[at] + rng.gauss(0, own)) for at in range(rounds)}
        for name, own in deviations.items()
    }


def deviation(block: Block, name: str) -> float:
    group = block.group(name)
    assert group and group.within
    return sqrt(group.within.variance)


def test_the_round_is_no_noise_of_a_difference() -> None:
    values = table(random.Random(1), dict.fromkeys("abcdefgh", 0.02), 5, 0.2)
    (group,) = Block(values).groups
    assert group.within and group.within.degrees == 7 * 4
    assert 0.014 < sqrt(group.within.variance) < 0.026
    assert group.alone and group.alone.variance > 10 * group.within.variance
    assert group.alone.degrees < 6  # five rounds tell little of how rounds differ
    apart = Block(values).apart("a", "b")
    assert apart and apart.error == pytest.approx(sqrt(2 * group.within.variance / 5))


def test_a_spread_of_its_own() -> None:
    values = table(random.Random(2), dict.fromkeys("bcdefgh", 0.005), 3, 0.0)
    values["a"] = {1: 1000.0, 2: 1500.0, 3: 900.0}
    block = Block(values)
    assert sorted(len(group.names) for group in block.groups) == [1, 7]
    assert deviation(block, "a") > 0.2 and deviation(block, "b") < 0.01
    assert block.tied("a", "b")
    values["b"] = {at: 1.1 * value for at, value in values["b"].items()}
    assert not Block(values).tied("b", "c")  # it is not lost among the noise of a


def test_states_have_spreads_of_their_own() -> None:
    rng = random.Random(3)
    values = table(rng, dict.fromkeys("abc", 0.001), 3, 0) | table(
        rng, dict.fromkeys("def", 0.05), 3, 0.1
    )
    block = Block(values, states=dict.fromkeys("abc", "ceiling"))
    assert deviation(block, "a") < 0.003 < 0.02 < deviation(block, "d")


def test_second_measurements_are_no_source() -> None:
    values = table(random.Random(4), dict.fromkeys("abcd", 0.02), 3, 0.05)
    without = Block(values)
    values["again"] = {1: 500.0, 2: 1000.0, 3: 2000.0}
    block = Block(values, again={"again": "a"})
    assert deviation(block, "again") == deviation(without, "a")
    assert block.apart("a", "again") is not None


def test_rounds_that_are_missing() -> None:
    """Rounds that two services share are compared; without any, the round is noise."""
    full = table(random.Random(5), dict.fromkeys("abcdef", 0.01), 4, 0.3)
    values = {name: dict(rounds) for name, rounds in full.items()}
    del values["a"][2], values["b"][3], values["b"][4]
    block = Block(values)
    (group,) = block.groups
    assert group.within and group.within.degrees == 24 - 3 - 6 - 4 + 1
    assert sqrt(group.within.variance) < 0.02
    apart = block.apart("a", "b")
    assert apart and apart.error == pytest.approx(sqrt(2 * group.within.variance / 1))
    values["a"], values["b"] = {1: full["a"][1]}, {4: full["b"][4]}
    block = Block(values)
    loose = block.apart("a", "b")
    assert loose and group.alone and loose.error > 0.1
    assert block.tied("a", "b")


@pytest.mark.parametrize(
    ("one", "other", "tied"),
    [
        ((5.0, 5.0, 5.0), (5.0, 5.0, 5.0), True),
        ((5.0, 5.0, 5.0), (6.0, 6.0, 6.0), False),
        ((5.0, 5.0, 5.0), (5.0005, 5.0005, 5.0005), True),  # less than the figure is exact to
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), True),
        ((0.0, 0.0, 0.0), (6.0, 6.0, 6.0), False),
        ((-1.0, 1.0, 0.0), (60.0, 61.0, 62.0), False),
        ((-9.0, 4.0, 6.0), (-5.0, 8.0, 5.0), True),
        ((5.0,), (9.0,), True),
        ((5.0,), (11.0,), False),  # of one round only twice as much is a difference
        ((0.0,), (0.0,), True),
        ((), (5.0, 6.0), True),
    ],
)
def test_ties_zeros_and_single_rounds(
    one: tuple[float, ...], other: tuple[float, ...], tied: bool
) -> None:
    values = {"a": dict(enumerate(one)), "b": dict(enumerate(other))}
    assert Block(values).tied("a", "b") is Block(values).tied("b", "a") is tied
    assert Block(values, states={"a": "x", "b": "y"}).tied("a", "b") is tied


def test_a_better_median_with_a_worse_mean_is_no_difference() -> None:
    values = table(random.Random(6), dict.fromkeys("cdefgh", 0.01), 3, 0)
    values |= {"a": {1: 1010.0, 2: 1010.0, 3: 600.0}, "b": dict.fromkeys((1, 2, 3), 1000.0)}
    assert Block(values).tied("a", "b")


# Services and deviations as they were in `standard`, and in `quick` on a busy machine.
SEEN = {
    "at the limit": (dict.fromkeys("abcdefgh", 0.007), 3, 0.001),
    "saturated": (dict.fromkeys("abcdefgh", 0.048), 3, 0.047),
    "five rounds": (dict.fromkeys("abcdefgh", 0.1), 5, 0.12),
    "unlike": ({name: 0.01 * (1 + at) for at, name in enumerate("abcdefgh")}, 3, 0.03),
}


@pytest.mark.parametrize("seen", SEEN)
def test_of_100_equal_pairs_at_most_10_are_called_different(seen: str) -> None:
    """Pairs named beforehand, of 25 tables of four: not those that happen to lie far apart."""
    deviations, rounds, round_ = SEEN[seen]
    rng = random.Random(seen)
    different = wide = tables = 0
    for _ in range(25):
        block = Block(table(rng, deviations, rounds, round_))
        names = sorted(deviations)
        different += sum(not block.tied(a, b) for a, b in zip(names[::2], names[1::2], strict=True))
        apart = [block.apart(a, b) for a, b in pairwise(names)]
        wide += sum(bool(one and one.beyond(2.5)) for one in apart)
        tables += any(not block.tied(a, b) for a in names for b in names)
    assert different <= 10
    assert tables <= 6  # a twentieth, of whole tables
    assert wide > 0  # and one at a time there would have been some


def test_services_a_fifth_apart_are_told_apart() -> None:
    """Saturated as in `standard`, three rounds: of 50 neighbours 20 % apart nearly all."""
    rng = random.Random(7)
    names, found = "abcdefgh", 0
    for _ in range(10):
        values = table(rng, dict.fromkeys(names, 0.048), 3, 0.047)
        for place, name in enumerate(names):
            values[name] = {at: value * 1.2**place for at, value in values[name].items()}
        block = Block(values)
        found += sum(not block.tied(a, b) for a, b in pairwise(names[:6]))
    assert found >= 35


def of_rps(**rps: tuple[float, ...]) -> Run:
    run = runs.made_up(dict.fromkeys(rps, (0.15, 1000)), users=(1000,))
    for point in run.points:
        point.rps = rps[point.service][point.round - 1]
    return runs.summed(run)


def test_a_figure_of_a_run() -> None:
    run = of_rps(a=(900, 950, 1000), b=(700, 740, 780), c=(902, 952, 998))
    assert noise.within_noise(run, "a", "c", SCENARIO, "rps")
    assert not noise.within_noise(run, "a", "b", SCENARIO, "rps")
    run.points[0].valid = False
    assert (
        run.points[0].round not in noise.block(run, SCENARIO, "rps").values[run.points[0].service]
    )


def test_the_state_of_a_service() -> None:
    (run,) = (runs.made_up({"a": (0.3, 1000)}, users=(1000,)),)
    for point in run.points:
        point.efficiency, point.rps, point.cpu_ms_per_request = 0.99, 1000, 0.99
    assert noise.state(run.points) == "ceiling"
    for point in run.points:
        point.efficiency = 0.5
    assert noise.state(run.points) == "saturated"
    for point in run.points:
        point.cpu_ms_per_request = 0.2
    assert noise.state(run.points) == ""


def test_a_count_of_few_requests_is_no_exact_rate() -> None:
    """One request more in 10 is 10 %, even if all rounds agree."""
    run = of_rps(a=(10, 10, 10), b=(10.5, 10.5, 10.5))
    for point in run.points:
        point.requests = 10
    assert noise.within_noise(run, "a", "b", SCENARIO, "rps")
    for point in run.points:
        point.requests = 10_000
    assert not noise.within_noise(run, "a", "b", SCENARIO, "rps")


def test_the_second_measurement_checks_the_model() -> None:
    run = runs.twice(runs.made_up(), "sanic")
    assert noise.doubles(run) == {"sanic-again": "sanic"}
    found = list(noise.checks(run, "rps"))
    assert len(found) == 5 and all(apart.difference == 0 for apart in found)
    for point in run.points:
        if (point.service, point.users) == ("sanic-again", 50):
            point.rps *= 0.8
    (far,) = (apart for apart in noise.checks(run, "rps") if apart.difference)
    assert far.difference == pytest.approx(log(0.8))
    assert not list(noise.checks(runs.made_up(), "rps"))
