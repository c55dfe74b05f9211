"""How many turns of the services' empty loop are a millisecond on this machine."""

from __future__ import annotations

import time
from math import floor, log10
from statistics import median

from services import contract

TRIES = 20
CYCLES = 500_000
PAUSE_S = 0.03  # a shared core has fast and slow stretches: the tries should meet both


def cycles_per_ms() -> float:
    """The median of some tries, in three quarters of a second, under this interpreter."""
    return round(median(_try() for _ in range(TRIES)), 1)


def cycles(burst_ms: float, per_ms: float) -> int:
    """What a burst of so many milliseconds takes, in two digits, and at most what `/cpu` does."""
    exact = burst_ms * per_ms
    return min(contract.MAX_CYCLES, max(1, int(round(exact, 1 - floor(log10(exact))))))


def _try() -> float:
    time.sleep(PAUSE_S)
    begun = time.perf_counter()
    contract.burn(CYCLES)
    return CYCLES / (1000 * (time.perf_counter() - begun))
