"""Light requests, alone and then beside some that need the CPU."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.interference import perfect, schedule
from loadtests.workloads.kind import (
    Bursts,
    Kind,
    Step,
    is_multiple,
    positive,
    rising,
    valid_delay,
)


@dataclass(frozen=True, kw_only=True)
class Interference(Bursts):
    """The rates of light and of heavy requests, and the users that send the light ones.

    With `all_cores` the service is not held to one, so that threads without the GIL have more.
    """

    users: tuple[int, ...]
    delay_s: float
    rate_rps: float
    heavy_rate_rps: float
    all_cores: bool = False

    def steps(self, profile: str) -> Iterable[Step]:
        """Light requests at a rate, first alone and then together with heavy ones."""
        for users in self.users:
            name = f"{profile}-{self.rate_rps:g}rps-{users}-users"
            yield Step(f"{name}-alone", users, rate_rps=self.rate_rps)
            yield Step(
                f"{name}-together",
                users,
                rate_rps=self.rate_rps,
                heavy_rate_rps=self.heavy_rate_rps,
            )

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself; and a window has all that is due, and so whole periods."""
        yield from super().mistakes(window_s)
        yield rising("users", self.users)
        yield valid_delay(self.delay_s)
        yield positive("rate_rps", self.rate_rps)
        yield positive("heavy_rate_rps", self.heavy_rate_rps)
        if min(self.rate_rps, self.heavy_rate_rps) > 0:
            periods_s = [users / self.rate_rps for users in self.users]
            for period_s in (*periods_s, 1 / self.heavy_rate_rps):
                if not is_multiple(window_s, period_s):
                    yield f"window_s must be a whole number of periods, one is of {period_s:g} s"

    def perfect_loop(self, seed: int, rounds: int, window_s: float) -> dict[str, dict[str, float]]:
        """For each number of users."""
        rates = self.rate_rps, self.heavy_rate_rps
        return {
            f"{users} users": perfect.medians(
                [
                    schedule.draw(f"{seed} {number}", users, *rates, window_s)
                    for number in range(1, rounds + 1)
                ],
                self.delay_s,
                self.burst_ms / 1000,
            )
            for users in self.users
        }


KIND = Kind(settings=Interference, route="/cpu", calls=1)
