"""Tails of distributions, against printed tables."""

from __future__ import annotations

from math import sqrt

import pytest

from loadtests.record import tails


@pytest.mark.parametrize(
    ("share", "degrees", "limit"),
    [(0.05, 1, 12.706), (0.05, 2, 4.303), (0.05, 10, 2.228), (0.01, 5, 4.032), (0.0001, 3, 28.0)],
)
def test_t(share: float, degrees: int, limit: float) -> None:
    assert tails.t_limit(share, degrees) == pytest.approx(limit, rel=1e-3)


@pytest.mark.parametrize(
    ("size", "degrees", "limit"),
    [
        (2, 1, 17.97), (3, 1, 26.98), (10, 1, 49.07), (3, 2, 8.331), (10, 5, 6.995),
        (3, 10, 3.877), (20, 30, 5.475), (10, 120, 4.560), (8, 10_000, 4.286),
    ],
)  # fmt: skip
def test_the_range_of_equal_means(size: int, degrees: int, limit: float) -> None:
    assert tails.range_limit(0.05, size, degrees) == pytest.approx(limit, rel=1e-3)


def test_the_range_of_two_is_students_t() -> None:
    for degrees in (1, 4, 30):
        two = tails.range_limit(0.05, 2, degrees) / sqrt(2)
        assert two == pytest.approx(tails.t_limit(0.05, degrees), rel=1e-4)


@pytest.mark.parametrize(
    ("ratio", "above", "below", "share"),
    [(4.103, 2, 10, 0.05), (5.317, 1, 8, 0.05), (7.559, 2, 10, 0.01), (1.0, 7, 7, 0.5)],
)
def test_f(ratio: float, above: int, below: int, share: float) -> None:
    assert tails.f_above(ratio, above, below) == pytest.approx(share, rel=2e-3)
