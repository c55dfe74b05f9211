"""Does it come back? Arrivals beyond what a service can do for some seconds, then few again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, positive, valid_delay

GIVES_UP, RETRIES = "gives-up", "retries"  # the two kinds of callers, at the end of a scenario
FEWEST_S = 3  # of each phase: less says nothing of a second's noise, or of one that comes back
LONGEST_S = 60  # of a timeout or a pause: a turn is bounded in time


@dataclass(frozen=True, kw_only=True)
class Overload(Settings):
    """How much arrives, and how long callers wait.

    `usual` and `over` are shares of the service's capacity, which is measured before: the usual
    for `usual_s`, too much for `over_s`, the usual for the rest of the window. A caller gives up
    after `timeout_s`; one that retries sends the same request again, `retries` times at most: at
    once, or after a random part of `backoff_s`, which doubles each time.
    """

    delay_s: float
    timeout_s: float
    retries: int
    usual_s: int
    over_s: int
    usual: float = 0.5
    over: float = 1.5
    backoff_s: float = 0.0

    def steps(self, profile: str) -> Iterable[Step]:
        """Callers that give up, and then those that retry: these may leave more behind."""
        yield Step(f"{profile}-{GIVES_UP}")
        yield Step(f"{profile}-{RETRIES}", attempts=1 + self.retries)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself; each phase has some whole seconds."""
        yield valid_delay(self.delay_s)
        slow = not self.delay_s < self.timeout_s <= LONGEST_S
        yield f"timeout_s must be more than delay_s, and {LONGEST_S} at most" if slow else ""
        yield "retries must be from 1 to 10" if not 1 <= self.retries <= 10 else ""
        yield f"backoff_s must be from 0 to {LONGEST_S}" if self._pauses_long() else ""
        for name in ("usual_s", "over_s"):
            seconds = getattr(self, name)
            few = not isinstance(seconds, int) or seconds < FEWEST_S
            yield f"{name} must be a whole number, {FEWEST_S} or more" if few else ""
        if window_s < self.usual_s + self.over_s + FEWEST_S:
            yield f"window_s must be {FEWEST_S} or more beyond usual_s and over_s"
        yield positive("usual", self.usual)
        yield "usual must be below 1, and over above it" if not self.usual < 1 < self.over else ""

    def _pauses_long(self) -> bool:
        return not 0 <= self.backoff_s <= LONGEST_S


KIND = Kind(settings=Overload, calls=1, arriving=True, gives_up=True, search_s=5.0)
