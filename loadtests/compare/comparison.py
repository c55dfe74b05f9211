"""Two runs compared as a whole: how many figures are worse, how many better, and which most."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from math import inf, log

from loadtests.compare.differences import Difference, differences
from loadtests.record import Run

WORSE, BETTER, NOISE = "worse", "better", "within noise"
DRIFT = {
    False: "How far the machine drifted between the two runs is in no interval.",
    True: "Both took their turns in the same rounds, so a drift of the machine met both.",
}


@dataclass(frozen=True)
class Comparison:
    """Run B against run A; `between` are the reasons not to compare them.

    `whole` is the run that both are a side of, where they were measured together.
    """

    a: Run
    b: Run
    between: list[str]
    whole: Run | None = None

    @cached_property
    def by_scenario(self) -> dict[str, list[list[Difference]]]:
        """The figures of each service in each scenario."""
        return differences(self.a, self.b, self.whole)

    @cached_property
    def found(self) -> list[Difference]:
        """All figures that either run has."""
        return [one for rows in self.by_scenario.values() for row in rows for one in row]

    @property
    def compared(self) -> list[Difference]:
        """Those that both have, valid and no lower bounds."""
        return [one for one in self.found if one.ratio is not None]

    @property
    def worse(self) -> list[Difference]:
        """Those that are worse in B beyond noise, the largest effect first."""
        return [one for one in self.by_effect if verdict(one) == WORSE]

    @property
    def better(self) -> list[Difference]:
        """Those that are better in B beyond noise, the largest effect first."""
        return [one for one in self.by_effect if verdict(one) == BETTER]

    @cached_property
    def by_effect(self) -> list[Difference]:
        """Those that were compared: beyond noise first, of those the largest effect first."""
        return sorted(self.compared, key=lambda one: (one.within_noise, _effect(one)))

    @property
    def headline(self) -> str:
        """`3 worse, 12 better, 240 within noise`."""
        worse, better = len(self.worse), len(self.better)
        noise = len(self.compared) - worse - better
        return f"{worse} {WORSE}, {better} {BETTER}, {noise} {NOISE}"

    @property
    def caution(self) -> str:
        """The meaning of the intervals, in sentences."""
        return (
            "Ratios are those of the geometric means over the rounds, B ÷ A, in brackets an "
            "interval that is wide enough for all of them together: of equal runs 5 in 100 have a "
            f"figure whose interval misses 1. {DRIFT[self.whole is not None]} Figures that are "
            "missing, invalid or a lower bound (≥) are not compared."
        )


def nothing_compared(a: Run, b: Run) -> str:
    """The reason, by what most points lack, and what to do."""
    said = "nothing was compared: no service has valid points in both runs"
    found: dict[str, list[str]] = defaultdict(list)  # with the same words, whatever the numbers
    points = [*a.points, *b.points]
    for point in points:
        for reason in point.invalid_because:
            found[re.sub(r"[\d.,]+", "", reason)].append(reason)
    if not found:
        return said
    most = max(found.values(), key=len)
    return (
        f"{said}. Of {len(points)} points {len(most)} are invalid for this or the like:"
        f" {most[0]}. Mend that, or where it is other work of this machine stop that, and measure"
        " again"
    )


def verdict(one: Difference) -> str:
    """In a word what became of a figure in B."""
    if one.within_noise:
        return NOISE
    return WORSE if one.worse else BETTER


def percent(one: Difference) -> str:
    """By how much B differs from A: `+25 %`; by a factor where it is more than twice or half."""
    assert one.ratio is not None
    if 0.5 <= one.ratio <= 2:
        return f"{100 * (one.ratio - 1):+.3g} %"
    return f"×{one.ratio:.3g}"


def _effect(one: Difference) -> float:
    """For sorting: the larger the effect, the smaller."""
    return -abs(log(one.ratio)) if one.ratio else -inf
