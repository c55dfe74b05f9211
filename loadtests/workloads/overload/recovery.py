"""When a service is as it was before an overload: from what became of each second's arrivals.

A second is *as before* where its share of answers in time and their p99 are within noise of those
of the seconds before the overload:

- as many are answered in time as the share before says, less LOST of them and three deviations;
- the p99 is at most the geometric mean of those before × e^(4 deviations of their logarithms), or
  half as much again where that is more.

The service is *back* at the end of the first second from which on no two seconds in a row are
otherwise: one alone may be a pause of the machine. The last second says nothing: while the answers
to it arrive the generator makes its figures, and is late to read them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import mean, stdev
from typing import Any

SIGMAS = 3.0  # of the arrivals that chance may leave unanswered
LOST = 0.01
# Of the logarithm of a p99: of t with the four degrees of freedom of five seconds, 98 in 100.
DEVIATIONS = 4.0
LEAST_ROOM = 1.5

Second = dict[str, Any]  # `due`, `answered` in time, `p99_ms` of those or None


@dataclass(frozen=True)
class Usual:
    """The seconds before: the share that was answered in time, and the most of a p99 in ms."""

    share: float
    most_ms: float

    def has(self, second: Second) -> bool:
        """Whether a second is like them; one in which nothing was due is."""
        due, answered, p99_ms = second["due"], second["answered"], second["p99_ms"]
        if not due:
            return True
        chance = SIGMAS * sqrt(due * self.share * (1 - self.share))
        if answered < due * (self.share - LOST) - chance - 1:
            return False
        return p99_ms is not None and p99_ms <= self.most_ms


def usual(seconds: Sequence[Second]) -> Usual | None:
    """The seconds before an overload; None where nothing was answered in one of them."""
    times = [log(second["p99_ms"]) for second in seconds if second["p99_ms"]]
    due = sum(second["due"] for second in seconds)
    if len(times) < max(2, len(seconds)) or not due:
        return None
    noise = DEVIATIONS * stdev(times) * sqrt(1 + 1 / len(times))
    share = sum(second["answered"] for second in seconds) / due
    return Usual(share, exp(mean(times)) * max(LEAST_ROOM, exp(noise)))


def back_s(seconds: Sequence[Second], usual_s: int, over_s: int, after_s: int) -> int | None:
    """Seconds from the end of the overload until it is back, 1 or more; None where it is not."""
    before, after = usual(seconds[:usual_s]), seconds[usual_s + over_s :][: after_s - 1]
    if before is None or not after:
        return None
    good = [before.has(second) for second in after]
    for at, (this, following) in enumerate(zip(good, [*good[1:], False], strict=True)):
        later = zip(good[at:], good[at + 1 :], strict=False)
        if this and following and all(one or other for one, other in later):
            return at + 1
    return None


def answered(seconds: Sequence[Second]) -> float | None:
    """The share of the arrivals of some seconds that were answered in time."""
    due = sum(second["due"] for second in seconds)
    return sum(second["answered"] for second in seconds) / due if due else None
