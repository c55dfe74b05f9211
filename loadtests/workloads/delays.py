"""How long the backend takes, drawn anew for each request: constant, with a tail, or recorded.

As text: `constant 0.1`; `lognormal 0.1 1`, the mean and the deviation of the logarithm; `bimodal
0.05 3 0.01`, most take the first, this share of them the second; `file NAME`, one delay a line,
in the order of the file and then from its beginning again. Times are in seconds.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import exp, isfinite
from pathlib import Path
from statistics import NormalDist

SHORTEST_S, LONGEST_S = 0.001, 60.0  # to whole milliseconds, and what the backend takes
MOST_RECORDED = 10_000
MOST_APART = 0.01  # of the mean: so far may that of what is drawn be from it
FORMS = "constant S, lognormal MEAN SIGMA, bimodal SHORT LONG SHARE or file NAME"
RECORDED = "recorded"  # the delays of a file, one after the other: so they get to the generator


class WrongDelays(ValueError):
    """A text that names no delays; it says what is wrong."""


@dataclass(frozen=True)
class Delays:
    """Delays in seconds: their mean, the mean of their squares, and the quantiles of one of them.

    `drawn_mean_s` is the mean after `drawn` has made them whole milliseconds within what the
    backend takes. `recorded` are those of a file, in its order.
    """

    name: str
    mean_s: float
    squares_s2: float
    quantile: Callable[[float], float]
    drawn_mean_s: float
    recorded: tuple[float, ...] = ()

    @property
    def variation(self) -> float:
        """The squared coefficient of variation: 0 where all are alike, 1 as of an exponential."""
        return self.squares_s2 / self.mean_s**2 - 1

    def named(self, number: int) -> Delays:
        """The same, as another of its name in a profile."""
        return replace(self, name=f"{self.name}-{number}")

    def drawn(self, seed: str) -> Iterator[float]:
        """Delays without end, in whole milliseconds; those of a seed are always the same."""
        if self.recorded:
            while True:
                yield from map(whole, self.recorded)
        rng = random.Random(seed)
        while True:
            yield whole(self.quantile(rng.random()))


def parse(text: str) -> Delays:
    """The delays that `text` names; WrongDelays where it names none."""
    form, *given = text.split() or [""]
    try:
        if form in ("file", RECORDED):
            times = _of_file(given) if form == "file" else list(map(_number, given))
            return _recorded(times)
        return MADE[form](*map(_number, given))
    except (KeyError, TypeError):
        raise WrongDelays(f"delays must be {FORMS}, not {text!r}") from None


def mistake(text: str) -> str:
    """The reason not to measure with these delays; empty where there is none.

    Stricter than `parse`, which reads those of earlier runs, too.
    """
    try:
        found = parse(text)
    except WrongDelays as error:
        return str(error)
    apart = abs(found.drawn_mean_s / found.mean_s - 1)
    if found.name == "constant" and apart > 1e-9:
        return f"a constant delay must be whole milliseconds, not {1000 * found.mean_s:g} ms"
    if apart > MOST_APART:
        return (
            f"{text}: in whole milliseconds up to {LONGEST_S:g} s the mean of these delays is "
            f"{1000 * found.drawn_mean_s:.4g} ms instead of {1000 * found.mean_s:.4g} ms, "
            f"more than {100 * MOST_APART:g} % from it"
        )
    return ""


def spelled(text: str) -> str:
    """The same delays without a file, for whoever does not have it."""
    recorded = parse(text).recorded
    return " ".join([RECORDED, *(f"{delay_s:g}" for delay_s in recorded)]) if recorded else text


def constant(delay_s: float) -> Delays:
    """Delays that are all alike, of any length."""
    return Delays("constant", delay_s, delay_s**2, lambda share: delay_s, whole(delay_s))


def _constant(delay_s: float) -> Delays:
    _check(SHORTEST_S <= delay_s <= LONGEST_S, "a constant delay must be from 0.001 to 60")
    return constant(delay_s)


def _lognormal(mean_s: float, sigma: float) -> Delays:
    _check(SHORTEST_S <= mean_s <= LONGEST_S, "the mean of lognormal delays is from 0.001 to 60")
    _check(0 < sigma <= 2, "the sigma of lognormal delays must be above 0, and 2 at most")
    median_s, normal = mean_s * exp(-(sigma**2) / 2), NormalDist()

    def quantile(share: float) -> float:
        return median_s * exp(sigma * normal.inv_cdf(min(max(share, 1e-12), 1 - 1e-12)))

    squares_s2 = mean_s**2 * exp(sigma**2)
    return Delays("lognormal", mean_s, squares_s2, quantile, _lognormal_drawn(median_s, sigma))


@cache
def _lognormal_drawn(median_s: float, sigma: float) -> float:
    """The mean of what is drawn, by the normal density in steps from -8 to 8 deviations."""
    steps = [number / 100 for number in range(-800, 801)]
    chances = [exp(-(z**2) / 2) for z in steps]
    delays = [whole(median_s * exp(sigma * z)) for z in steps]
    drawn = (chance * delay_s for chance, delay_s in zip(chances, delays, strict=True))
    return sum(drawn) / sum(chances)


def _bimodal(short_s: float, long_s: float, share: float) -> Delays:
    _check(SHORTEST_S <= short_s < long_s <= LONGEST_S, "bimodal delays rise, from 0.001 to 60")
    _check(0 < share < 1, "the share of long delays must be between 0 and 1")
    mean_s = (1 - share) * short_s + share * long_s
    squares_s2 = (1 - share) * short_s**2 + share * long_s**2
    drawn_s = (1 - share) * whole(short_s) + share * whole(long_s)

    def quantile(at: float) -> float:
        return short_s if at < 1 - share else long_s

    return Delays("bimodal", mean_s, squares_s2, quantile, drawn_s)


MADE: dict[str, Callable[..., Delays]] = {
    "constant": _constant,
    "lognormal": _lognormal,
    "bimodal": _bimodal,
}


def _recorded(times_s: Sequence[float]) -> Delays:
    _check(1 <= len(times_s) <= MOST_RECORDED, f"a file has 1 to {MOST_RECORDED:,} delays")
    for number, delay_s in enumerate(times_s, 1):
        good = isfinite(delay_s) and SHORTEST_S <= delay_s <= LONGEST_S
        _check(good, f"delay {number} of the file must be from 0.001 to 60 s, not {delay_s:g}")
    rising = sorted(times_s)
    mean_s = sum(rising) / len(rising)
    squares_s2 = sum(delay_s**2 for delay_s in rising) / len(rising)

    def quantile(share: float) -> float:
        return rising[min(int(share * len(rising)), len(rising) - 1)]

    drawn_s = sum(map(whole, rising)) / len(rising)
    return Delays(RECORDED, mean_s, squares_s2, quantile, drawn_s, tuple(times_s))


def _of_file(names: list[str]) -> list[float]:
    _check(len(names) == 1, "file takes one name")
    try:
        lines = Path(names[0]).read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongDelays(f"the delays of {names[0]}: {error}") from None
    return [_number(line) for line in lines]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise WrongDelays(f"a delay is a number of seconds such as 0.1, not {text!r}") from None


def _check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise WrongDelays(otherwise)


def whole(delay_s: float) -> float:
    """In whole milliseconds, within what the backend takes."""
    return min(max(round(delay_s, 3), SHORTEST_S), LONGEST_S)
