"""The residuals of a figure after service and round, by least squares; points may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean

Rounds = Mapping[int, float]  # a figure of a service, by round


def fitted(values: Mapping[str, Rounds]) -> tuple[list[float], dict[int, float]]:
    """The residuals after service and round, least in their squares, and the effects of rounds.

    One after the other is set to what the other leaves, until nothing moves: with all points
    there that is at once, and with some missing after a few turns.
    """
    rounds = dict.fromkeys(sorted({at for one in values.values() for at in one}), 0.0)
    means: dict[str, float] = {}
    for _ in range(200):
        means = {
            n: fmean(value - rounds[at] for at, value in one.items()) for n, one in values.items()
        }
        before = rounds
        rounds = {
            at: fmean(one[at] - means[name] for name, one in values.items() if at in one)
            for at in before
        }
        if all(abs(rounds[at] - before[at]) < 1e-13 for at in rounds):
            break
    residuals = [
        value - means[name] - rounds[at]
        for name, one in values.items()
        for at, value in one.items()
    ]
    return residuals, rounds


def degrees(values: Mapping[str, Rounds]) -> int:
    """Points, less a mean for each service and round that is not given by the others."""
    parts: list[set[int]] = []  # rounds that some service joins
    for one in values.values():
        joined = [part for part in parts if part & one.keys()]
        parts = [part for part in parts if part not in joined]
        parts.append(set(one).union(*joined))
    points = sum(map(len, values.values()))
    return points - len(values) - sum(map(len, parts)) + len(parts)


def squares(values: Iterable[float]) -> float:
    """The sum of the squares."""
    return sum(value * value for value in values)


def about_mean(values: list[float]) -> float:
    """The squares of how far each is from the mean, added up."""
    middle = fmean(values)
    return squares(value - middle for value in values)
