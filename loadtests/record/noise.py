"""What a difference between two measurements is worth: intervals over rounds, and the noise floor.

The intervals are percentile bootstraps of the median: the rounds are drawn anew, with
repetition, many times, and what the medians of 95 % of the draws lie within is the interval.
With the three rounds of a profile that is coarse: the interval is then the lowest to the
highest round, and the median of endless rounds lies within that in three cases of four, not
in 95 of 100. It sharpens with more rounds. One round has no interval.

The floor comes from a service that was measured twice under two names (`again` in
profiles.toml): by how much, of all scenarios in which both are valid, the greater of the two
medians exceeds the lesser at most. The one scenario that drifted most decides, so the floor
is rather too high than too low.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median

from loadtests.record import Run

RESAMPLES = 2000
UNKNOWN_ROUNDS = 1.0  # how far two figures may be apart of which one has no interval
OUTSIDE = 0.025  # of the resamples, at each end of an interval
# The figures of which there is a noise floor; smaller is better but for the first.
FIGURES = ("rps", "p99_ms", "cpu_ms_per_request", "rss_bytes")

Tied = Callable[[str, str], bool]


@dataclass(frozen=True)
class Interval:
    """Where the true value lies, as far as the rounds can tell."""

    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Whether both can be the same."""
        return self.low <= other.high and other.low <= self.high


def of_median(values: Sequence[float]) -> Interval | None:
    """The interval of the median of what the rounds gave; None for fewer than two rounds."""
    return _of_median(tuple(sorted(values))) if len(values) > 1 else None


@cache
def _of_median(values: tuple[float, ...]) -> Interval:
    return _middle(_medians(values, seed=1))


def of_ratio(first: Sequence[float], second: Sequence[float]) -> Interval | None:
    """The interval of median(second) ÷ median(first), of rounds that have nothing in common.

    None for fewer than two rounds of either, or where there is a zero.
    """
    if min(len(first), len(second)) < 2 or min(*first, *second) <= 0:
        return None
    pairs = zip(_medians(sorted(first), seed=1), _medians(sorted(second), seed=2), strict=True)
    return _middle(above / below for below, above in pairs)


def of_paired_ratio(first: dict[int, float], second: dict[int, float]) -> Interval | None:
    """As `of_ratio`, of figures by round: those of a round are near in time, and drawn together."""
    rounds = sorted(first.keys() & second.keys())
    if len(rounds) < 2 or min(*first.values(), *second.values()) <= 0:
        return None
    draw = random.Random(3).choices
    drawn = [draw(rounds, k=len(rounds)) for _ in range(RESAMPLES)]
    return _middle(
        median(second[number] for number in of) / median(first[number] for number in of)
        for of in drawn
    )


def _medians(values: Sequence[float], seed: int) -> list[float]:
    """The medians of the resamples of values in rising order."""
    return [(values[low] + values[high]) / 2 for low, high in _draws(len(values), seed)]


@cache
def _draws(size: int, seed: int) -> list[tuple[int, int]]:
    """The places of the two middle values (of an odd number the same) in each resample."""
    draw = random.Random(seed).choices
    resamples = (sorted(draw(range(size), k=size)) for _ in range(RESAMPLES))
    return [(drawn[(size - 1) // 2], drawn[size // 2]) for drawn in resamples]


def _middle(found: Iterable[float]) -> Interval:
    ordered = sorted(found)
    outside = int(OUTSIDE * len(ordered))
    return Interval(ordered[outside], ordered[-1 - outside])


def indistinct(first: Sequence[float], second: Sequence[float], floor: float | None) -> bool:
    """Whether what two services gave over rounds is within noise.

    So it is where their medians differ by no more than `floor` (0.04 are 4 %; None where it
    is not known), or where the intervals of the medians overlap. Where one has no interval
    only what is more than twice the other is a difference.
    """
    if not first or not second:
        return True
    one, other = of_median(first), of_median(second)
    apart = difference(median(first), median(second))
    if one is None or other is None:
        return apart <= UNKNOWN_ROUNDS
    return one.overlaps(other) or (floor is not None and apart <= floor)


def difference(first: float, second: float) -> float:
    """By how much the greater exceeds the lesser: 0.04 for 100 and 104, in either order."""
    low, high = sorted((first, second))
    return high / low - 1 if low > 0 else float(high != low)


def by_round(run: Run, service: str, scenario: str, figure: str) -> dict[int, float]:
    """A figure of the valid points, by round."""
    return {
        point.round: value
        for point in run.points
        if (point.service, point.scenario, point.valid) == (service, scenario, True)
        and (value := getattr(point, figure)) is not None
    }


def doubles(run: Run) -> dict[str, str]:
    """The names under which a service was measured again, with its own."""
    return {name: about["again_of"] for name, about in run.services.items() if "again_of" in about}


def floor(run: Run, figure: str, profile: str = "") -> float | None:
    """The noise floor of a figure, of all scenarios or those of a profile; None if unknown."""
    scenarios = {p.scenario for p in run.points if profile in ("", p.profile)}
    found = []
    for again, once in doubles(run).items():
        for scenario in scenarios:
            pair = [by_round(run, name, scenario, figure).values() for name in (once, again)]
            if all(pair):
                found.append(difference(*map(median, pair)))
    return max(found, default=None)


def tied(run: Run, scenario: str, figure: str) -> Tied:
    """Says of two services whether they are within noise in a figure of a scenario."""
    profile = next((p.profile for p in run.points if p.scenario == scenario), "")
    least = floor(run, figure, profile)
    found: dict[str, list[float]] = {}

    def values(service: str) -> list[float]:
        if service not in found:
            found[service] = list(by_round(run, service, scenario, figure).values())
        return found[service]

    return lambda a, b: indistinct(values(a), values(b), least)


def within_noise(run: Run, a: str, b: str, scenario: str, figure: str) -> bool:
    """Whether two services are within noise in a figure of a scenario: no difference is known."""
    return tied(run, scenario, figure)(a, b)
