"""When light and heavy requests are due."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Schedule:
    """Instants from 0 to `cycle_s`, after which they come again: of each light user, and heavy.

    A window of `cycle_s` holds all of them, whenever it opens.
    """

    cycle_s: float
    light: tuple[tuple[float, ...], ...]
    heavy: tuple[float, ...]


def draw(seed: str, users: int, rate_rps: float, heavy_rate_rps: float, cycle_s: float) -> Schedule:
    """That of a seed: equal ones are equal in all.

    Each light user has a request in each of its periods, at a random instant of the half of
    it that is the user's: so two of its own are half a period apart at least, and the load of
    all is even. Heavy ones are spaced evenly: they meet only where one takes that long.
    """
    rng = Random(seed)
    period_s = users / rate_rps
    phases = [(user + rng.random()) / users for user in range(users)]
    light = tuple(
        tuple(
            sorted(
                (number + phase + rng.random() / 2) * period_s % cycle_s
                for number in range(round(cycle_s / period_s))
            )
        )
        for phase in phases
    )
    first, heavies = rng.random(), round(heavy_rate_rps * cycle_s)
    heavy = tuple((number + first) / heavy_rate_rps for number in range(heavies))
    return Schedule(cycle_s, light, heavy)
