"""A figure of the results, by its median and by its worst round."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from loadtests.record import Spread


@dataclass(frozen=True)
class Figure:
    """The median over the rounds, and the round that speaks most against the service."""

    median: float
    worst: float


def of(spread: Spread, worst: Callable[[Iterable[float]], float]) -> Figure:
    """The figure of some rounds, of which `worst` picks one."""
    return Figure(spread.median, worst((spread.min, spread.max)))
