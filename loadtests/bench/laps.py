"""Where the seconds of a run go."""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter


class Laps:
    """A stopwatch: each lap begins where the last one ended, so that nothing is left out."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        """End a lap: its seconds are added to those of the same name."""
        now = perf_counter()
        self._seconds[name] += now - self._last
        self._last = now

    def spent(self) -> dict[str, float]:
        """The seconds by name, and of all of them as `wall_s`."""
        seconds = {name: round(total, 1) for name, total in self._seconds.items()}
        measuring_s = seconds.pop("measuring_s", 0.0)
        wall_s = round(sum(self._seconds.values()), 1)
        return {"wall_s": wall_s, "measuring_s": measuring_s, **seconds}
