"""Whether a service keeps up with arrivals at a rate: from the figures of a window alone.

Arrivals at random come and go: as many as λ a second, each for R seconds, are λR in
flight on average, with a deviation of √(λR). A line through what was in flight over T
seconds then has a slope of 0 with a standard error of R √(12 λ / T³), even if nothing
is in line (of a queue with any number of servers, M/G/∞, the covariances of the number in
flight add up to λR²). What the machine does comes on top of that and is read from the
window itself: from what the means of its parts deviate from the line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import linear_regression, mean

BLOCKS = 20  # in 10 s each is five times a response time of 100 ms, so their means are independent
SURE = 2.0  # standard errors
# The number in flight may rise by this share in a window: so do the response times (Little).
RISE = 0.05
ANSWERED = 0.995  # of the arrivals, at least
ENDS = 3.0  # deviations of what is in flight at either end of a window

Samples = Sequence[tuple[float, int]]


@dataclass(frozen=True)
class Growth:
    """By how many requests a second what is in flight grows, and the standard error of that."""

    rps: float
    error_rps: float

    def beyond_noise(self, in_flight: float, duration_s: float) -> bool:
        """Whether it is sure to grow, and by more than could be told from the response times."""
        return self.rps > SURE * self.error_rps and self.rps * duration_s > RISE * in_flight


def growth(samples: Samples, rate_rps: float) -> Growth | None:
    """The line through samples (instant, in flight) of a window; None of too few."""
    if len(samples) < 2 * BLOCKS or not rate_rps:
        return None
    first, last = samples[0][0], samples[-1][0]
    blocks: list[list[tuple[float, int]]] = [[] for _ in range(BLOCKS)]
    for at, number in samples:
        blocks[min(BLOCKS - 1, int(BLOCKS * (at - first) / (last - first)))].append((at, number))
    times = [mean(at for at, _ in block) for block in blocks if block]
    numbers = [mean(number for _, number in block) for block in blocks if block]
    line = linear_regression(times, numbers)
    away = sum(
        (number - line.intercept - line.slope * at) ** 2
        for at, number in zip(times, numbers, strict=True)
    )
    middle = mean(times)
    spread = sum((at - middle) ** 2 for at in times)
    seen = sqrt(away / (len(times) - 2) / spread)
    least = mean(numbers) * sqrt(12 / rate_rps / (last - first) ** 3)
    return Growth(line.slope, max(seen, least))


def keeps_up(arrivals: float, answers: float, in_flight: float) -> bool:
    """Whether nearly all arrivals of a window were answered, but for what its ends cut off.

    At either end others are in flight: their difference deviates by √2 √(λR).
    """
    return arrivals - answers <= (1 - ANSWERED) * arrivals + ENDS * sqrt(2 * max(1.0, in_flight))


@dataclass(frozen=True)
class Window:
    """The outcome of a rate in a window; times in ms, `lag_ms` and `sent_ms` are p99s."""

    rate_rps: float
    duration_s: float
    arrivals: int
    answers: int
    failures: int
    dropped: int
    in_flight: float
    growth: Growth | None
    p99_ms: float | None
    sent_ms: float | None
    lag_ms: float
    busy: float  # of the core that makes the load
    late: str = ""  # what the generator did not do in time
    hopeless: bool = False  # it ended early, as nothing could have made it good


@dataclass(frozen=True)
class Verdict:
    """Why a rate was not sustained, empty where it was; and whose `fault` it is, if not the
    service's: that of the "generator", or of "others" that used the cores, also where it was."""

    because: str = ""
    fault: str = ""

    @property
    def sustained(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.because


def judge(window: Window, limit_ms: float, spare_ms: float, most_busy: float) -> Verdict:
    """Whether a rate was sustained.

    `limit_ms` is what 99 % of the answers may take, `spare_ms` the part of it that is not
    the backend's. It is the generator's fault where it had no CPU left, where it was late
    by half of what is to spare, and where only times from the due instant are too long.
    """
    p99_ms, sent_ms = window.p99_ms or 0.0, window.sent_ms or 0.0
    growth, answered = window.growth or Growth(0.0, 0.0), (window.arrivals, window.answers)
    reasons = {
        f"{window.dropped} requests were dropped": window.dropped,
        f"{window.failures} of {window.answers} requests failed": window.failures,
        "only {1:,} of {0:,} requests were answered".format(*answered): not keeps_up(
            *answered, window.in_flight
        ),
        f"{window.in_flight:,.0f} in flight grew by {growth.rps:,.3g} a second": (
            growth.beyond_noise(window.in_flight, window.duration_s)
        ),
        f"p99 {p99_ms:.4g} ms is above {limit_ms:g} ms": p99_ms > limit_ms,
        "more were in flight than can be answered in time": window.hopeless,
    }
    wrong = next((reason for reason, holds in reasons.items() if holds), "")
    if window.late or (wrong and window.lag_ms > spare_ms / 2) or sent_ms <= limit_ms < p99_ms:
        said = window.late or f"start lag p99 {window.lag_ms:.3g} ms"
        return Verdict(f"the generator was late: {said}", "generator")
    if window.busy > most_busy:
        return Verdict(f"the generator's core was {window.busy:.0%} busy", "generator")
    return Verdict(wrong)
