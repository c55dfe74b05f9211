"""A search for the highest rate that is sustained, over whatever can say of one whether it is.

Short probes find the neighbourhood: the rate is doubled or halved until one is sustained
and another is not, and the middle of the two is tried until they are close. Then whole
windows decide, and both ways alike: up from a rate that was sustained, down from one that
was not, by `CLOSE`, then twice and three times that, until the highest rate that was sustained
and the lowest that was not are `CLOSE` to each other. A pause of the machine is enough for a
rate to fail, and nothing like it for one to be sustained: so the first rate that probes find
too much, and the lowest that windows do, are tried a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt

from loadtests.workloads.open_rate.sustained import Verdict

FIRST_RPS, LOWEST_RPS, HIGHEST_RPS = 100.0, 0.2, 1_000_000.0
NEAR = 1.1  # what the probes leave between two rates
CLOSE = 1.04  # what the windows do
AGAIN = 2
WINDOWS = 8  # most that are not sustained end soon
MOST_WINDOWS = 6  # where all of them were sustained
MOST_FAILED = 12  # where none was

Try = Callable[[float], Verdict]
Hurry = Callable[[bool], bool]  # is there no time left, with or without a rate that failed?


class NothingFound(Exception):
    """No rate at all is sustained, or every one; the text says so."""


@dataclass(frozen=True)
class Found:
    """The highest rate that was sustained in a window, and the lowest that was not, if any.

    `ended` says why there is none: the rate above asked too much of the "generator", "others"
    used the cores at it, or no further one was tried, as there was no "time" or had been
    `MOST_WINDOWS` "windows".
    """

    capacity_rps: float
    failed_at_rps: float | None
    ended: str = ""


def search(probe: Try, window: Try, hurry: Hurry = lambda failed: False) -> Found:
    """The capacity of what `probe` tries for a moment and `window` for a whole window.

    Where `hurry` says so no further window is begun, unless none was sustained yet.
    """
    low, high = _around(probe)
    return _settled(rounded(sqrt(low * high)), window, hurry)


def undisturbed(attempt: Try, late: Callable[[], bool]) -> Try:
    """`attempt`, repeated where others have disturbed it, `AGAIN` times at most, unless `late`."""

    def tried(rate_rps: float) -> Verdict:
        said = attempt(rate_rps)
        for _ in range(AGAIN):
            if said.fault != "others" or late():
                break
            said = attempt(rate_rps)
        return said

    return tried


def rounded(rate_rps: float) -> float:
    """To three digits."""
    return float(f"{rate_rps:.3g}")


def _around(probe: Try) -> tuple[float, float]:
    """A rate that was sustained and one that was not, near each other."""
    low, high, rate = 0.0, 0.0, FIRST_RPS
    said = Verdict()
    while not low or not high or high > NEAR * low:
        if not LOWEST_RPS <= rate <= HIGHEST_RPS:
            few = f"not even {high:g}/s were sustained: {said.because}"
            raise NothingFound(few if high else f"even {low:g}/s were sustained")
        said = probe(rate)
        if not said.sustained and not (low and high):
            said = probe(rate)
        low, high = (rate, high) if said.sustained else (low, rate)
        rate = rounded(sqrt(low * high)) if low and high else (2 * low or high / 2)
    return low, high


def _settled(rate: float, window: Try, hurry: Hurry) -> Found:
    low, high, step, failed = 0.0, 0.0, 1, Counter[float]()
    said = Verdict()
    for tried in range(MOST_FAILED):
        most = WINDOWS if high else MOST_WINDOWS
        if low and (hurry(bool(high)) or tried >= most):
            break
        said = window(rate)
        if said.sustained:
            low, high = rate, high if high > rate else 0.0
        else:
            high, why = rate, said
            failed[rate] += 1
        if low and high and high <= low * CLOSE * 1.005:
            if failed[high] > 1:
                break
            rate = high
        elif low and high:
            rate = rounded(sqrt(low * high))
        else:
            rate = rounded(low * CLOSE**step if low else high / CLOSE**step)
            step += 1
    if not low:
        raise NothingFound(f"no rate was sustained for a window, down to {high:g}/s: {why.because}")
    if not high:
        return Found(low, None, "time" if hurry(False) else "windows")
    return Found(low, None, why.fault) if why.fault else Found(low, high)
