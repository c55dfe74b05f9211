"""How many turns of the services' empty loop are a millisecond, on the core that this runs on.

    python -m loadtests.load.burn

prints that number.
"""

from __future__ import annotations

import time
from math import ceil, floor, log10
from statistics import median

from services import contract

TRIES = 20
CYCLES = 500_000
PAUSE_S = 0.03  # a shared core has fast and slow stretches: the tries should meet both


def cycles_per_ms() -> float:
    """The median of some tries, in three quarters of a second, under this interpreter."""
    return round(median(_try() for _ in range(TRIES)), 1)


def cycles(burst_ms: float, per_ms: float) -> int:
    """The cycles of a burst of so many ms, in two digits, and at most what `/cpu` does."""
    exact = burst_ms * per_ms
    return min(contract.MAX_CYCLES, max(1, int(round(exact, 1 - floor(log10(exact))))))


def cycles_in(seconds: float) -> int:
    """About so many cycles are so long, by one short try on a core that others may use."""
    begun = time.perf_counter()
    contract.burn(CYCLES)
    return int(CYCLES * seconds / (time.perf_counter() - begun))


def bursts(total: int) -> list[int]:
    """So many cycles in as few requests as `/cpu` allows."""
    many = ceil(total / contract.MAX_CYCLES)
    return [total // many] * many


def _try() -> float:
    time.sleep(PAUSE_S)
    begun = time.perf_counter()
    contract.burn(CYCLES)
    return CYCLES / (1000 * (time.perf_counter() - begun))


if __name__ == "__main__":
    print(cycles_per_ms())
