"""Where the seconds of a run go."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from time import perf_counter


class Laps:
    """A stopwatch: each lap begins where the last one ended, so that nothing is left out.

    It may go on from what was `spent` before.
    """

    def __init__(self, spent: Mapping[str, float] | None = None) -> None:
        before = {name: seconds for name, seconds in (spent or {}).items() if name != "wall_s"}
        self._seconds: defaultdict[str, float] = defaultdict(float, before)
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
        # Of the rounded ones, so that a run that goes on never has less than before.
        wall_s = round(measuring_s + sum(seconds.values()), 1)
        return {"wall_s": wall_s, "measuring_s": measuring_s, **seconds}
