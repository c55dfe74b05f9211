"""How far the clock of another machine is from this one's.

Instants are those of `time.perf_counter`, in seconds since whatever its machine counts from.
"""

from __future__ import annotations

from typing import NamedTuple


class Clock(NamedTuple):
    """One that is `ahead_s` of this machine's, give or take half of `round_trip_s`."""

    ahead_s: float = 0.0
    round_trip_s: float = 0.0

    def there(self, here: float) -> float:
        """Its reading at an instant of this machine's."""
        return here + self.ahead_s

    def here(self, there: float) -> float:
        """The reading of this machine's at an instant of its."""
        return there - self.ahead_s


def asked(sent: float, there: float, heard: float) -> Clock:
    """By one question, which was answered halfway between its instants here, as NTP takes it."""
    return Clock(there - (sent + heard) / 2, heard - sent)


def best(found: list[Clock]) -> Clock:
    """By the question that took the least time, and so leaves the least doubt."""
    return min(found, key=lambda clock: clock.round_trip_s)
