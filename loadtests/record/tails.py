"""How far chance alone goes: the tails of three distributions, so that no package is needed for it.

Student's t is what a difference ÷ its standard error follows where the spread is itself
estimated, from so many degrees of freedom (the fewer, the wider). F is the ratio of two
estimates of one variance. The studentized range is Tukey's: the largest difference among k
equal means, in standard errors of one mean. Its probability to be below q is

    ∫ f(s) P(range of k standard normals < q·s) ds,  f the density of an estimated deviation ÷ true
    P(range < w) = k ∫ φ(z) (Φ(z) - Φ(z - w))^(k - 1) dz.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from math import erfc, exp, inf, lgamma, log, log1p, pi, sqrt

MANY = 500  # degrees of freedom: with more of them the spread is as good as known
STEPS = 64  # of an integral; a test compares with printed tables


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    tiny = 1e-300
    c, d, value = 1.0, 0.0, 1.0
    for step in range(1, 400):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + term * d or tiny)
        c = 1 + term / c or tiny
        value *= c * d
        if abs(c * d - 1) < 1e-12:
            break
    return front / value


def f_above(ratio: float, above: float, below: float) -> float:
    """How often a ratio of two variances of one thing is higher, by the degrees of freedom."""
    return incomplete_beta(below / 2, above / 2, below / (below + above * ratio))


def t_beyond(t: float, degrees: float) -> float:
    """How often Student's t is farther from 0 than this, on either side."""
    return incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t))


@cache
def t_limit(share: float, degrees: float) -> float:
    """The quantile of Student's t: beyond it, on either side, lies this share of cases."""
    return _root(lambda t: t_beyond(t, degrees) - share)


@cache
def range_limit(share: float, size: int, degrees: int) -> float:
    """The bound that the range of `size` equal means exceeds in this share of cases."""
    return _root(lambda q: range_above(q, size, degrees) - share)


def range_above(q: float, size: int, degrees: int) -> float:
    """How often the studentized range of `size` means is higher than q."""
    if degrees >= MANY:
        return 1 - _normal_range(q, size)
    half = degrees / 2
    constant = log(2) + half * log(half) - lgamma(half)
    wide = 8 / sqrt(2 * degrees)

    def each(u: float) -> float:  # of s = u³: of few degrees most happens close to 0
        s = u**3
        density = exp(constant + (degrees - 1) * log(s) - half * s * s) * 3 * u * u
        return density * (1 - _normal_range(q * s, size)) if density > 1e-16 else 0.0

    return _integral(each, max(0.0, 1 - wide) ** (1 / 3), (1 + wide) ** (1 / 3))


def _normal_range(wide: float, size: int) -> float:
    def each(z: float) -> float:
        inside = 0.5 * (erfc((z - wide) / sqrt(2)) - erfc(z / sqrt(2)))
        return exp(-z * z / 2) / sqrt(2 * pi) * inside ** (size - 1)

    return size * _integral(each, -8.0, 8.0) if wide < 16 else 1.0


def _integral(of: Callable[[float], float], low: float, high: float) -> float:
    """By the midpoints of equal steps: good for what is smooth and vanishes at both ends."""
    step = (high - low) / STEPS
    return step * sum(of(low + (at + 0.5) * step) for at in range(STEPS))


def _root(falling: Callable[[float], float]) -> float:
    """Where a falling function crosses 0, from 0 on; infinite where it does not."""
    low, high = 0.0, 4.0
    while falling(high) > 0:
        low, high = high, 2 * high
        if high > 1e9:
            return inf
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > 0 else (low, middle)
        if high - low < 1e-7 * high:
            break
    return high
