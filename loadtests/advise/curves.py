"""Figures of a service over the rate of one process, as lines between the measured loads."""

from __future__ import annotations

from collections.abc import Callable

from loadtests.advise.measured import Load, Service

# A rate at which nothing at all is answered within the goal.
NEVER = 0.0


def crossing(curve: list[tuple[float, float]], goal: float) -> float | None:
    """The rate at which a curve rises above a goal; NEVER where it is, None where it never does."""
    before: tuple[float, float] | None = None
    for rate, value in curve:
        if value > goal:
            if before is None:
                return NEVER
            return before[0] + (rate - before[0]) * (goal - before[1]) / (value - before[1])
        before = rate, value
    return None


def curves(
    delay_s: float, service: Service, figure: Callable[[Load], float | None]
) -> list[list[tuple[float, float]]]:
    """A figure over the rate, at the nearest measured delays, the one below and the one above.

    Of the loads that were too much the one that was answered most ends it.
    """
    known = [(load, value) for load in service.loads if (value := figure(load)) is not None]
    delays = [load.delay_s for load, _ in known]
    near = {max((d for d in delays if d <= delay_s), default=None)}
    near.add(min((d for d in delays if d >= delay_s), default=None))
    curves = []
    for delay in sorted(d for d in near if d is not None):
        here = [(load, value) for load, value in known if load.delay_s == delay]
        curve = [(load.rps, value) for load, value in here if not load.full]
        full = [(load.rps, value) for load, value in here if load.full]
        if full and (not curve or full[-1][0] > curve[-1][0]):
            curve.append(full[-1])
        curves.append(curve)
    return curves


def between(curve: list[tuple[float, float]], rate_rps: float) -> float:
    """Linear interpolation: too much rather than too little, as these curves bend."""
    before = curve[0]
    for rate, value in curve:
        if rate >= rate_rps:
            if rate == before[0]:  # the first
                return value
            share = (rate_rps - before[0]) / (rate - before[0])
            return before[1] + (value - before[1]) * share
        before = rate, value
    return before[1]
