"""Light requests at a rate, and what heavy ones do to them: `/?delay=…` beside `/cpu?cycles=…`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from time import perf_counter
from typing import Any, ClassVar

from loadtests.load.base import expect
from loadtests.load.connection import Connection
from loadtests.load.http_load import HttpLoad
from loadtests.load.paced_user import PacedUser
from loadtests.load.users import DelayUser, RawHttpUser
from loadtests.workloads.interference import schedule
from loadtests.workloads.interference.schedule import Schedule


class ScheduledUser(PacedUser):
    """One whose requests are due at instants of a schedule, counted from `origin`.

    Light and heavy ones have the same, so that they meet alike in every service.
    """

    abstract = True
    schedule: ClassVar[Schedule]
    origin: ClassVar[float]

    def due_in_a_cycle(self) -> tuple[float, ...]:
        """Its instants of the schedule."""
        raise NotImplementedError

    def instants(self, begin: float) -> Iterator[float]:
        cycle_s, due_s = self.schedule.cycle_s, self.due_in_a_cycle()
        for cycle in count(int((begin - self.origin) // cycle_s)):
            for due in due_s:
                if (at := self.origin + cycle * cycle_s + due) >= begin:
                    yield at


class LightUser(DelayUser, ScheduledUser):
    """Waits for the backend, at a rate."""

    def due_in_a_cycle(self) -> tuple[float, ...]:
        return self.schedule.light[self.number % len(self.schedule.light)]


class HeavyUser(ScheduledUser):
    """Has the service compute, at a rate: all that do are this one."""

    cycles = 0

    def due_in_a_cycle(self) -> tuple[float, ...]:
        return self.schedule.heavy

    @classmethod
    def path(cls) -> bytes:
        return b"/cpu?cycles=%d" % cls.cycles

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        return body == b'{"cycles":%d}' % self.cycles


class Load(HttpLoad):
    """The light users' figures, first alone and then beside the heavy ones."""

    user = LightUser
    others = (HeavyUser,)

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        self.seed = plan["seed"]

    def configure(self) -> None:
        LightUser.delay = f"{self.profile['delay_s']:g}"
        HeavyUser.cycles = self.profile["cycles"]

    def check(self, service: Connection) -> None:
        expect(service, "/cpu?cycles=10", b'{"cycles":10}')

    def prepare(self, step: dict[str, Any]) -> None:
        """Before the first of them begins, say when they are due; after that the same goes on."""
        if not self.runner.user_classes_count[LightUser.__name__]:
            profile = self.profile
            rates = step["rate_rps"], profile["heavy_rate_rps"]
            drawn = schedule.draw(self.seed, step["users"], *rates, profile["window_s"])
            ScheduledUser.schedule, ScheduledUser.origin = drawn, perf_counter()
        super().prepare(step)

    def wanted(self, step: dict[str, Any]) -> dict[type[RawHttpUser], int]:
        LightUser.period_s = step["users"] / step["rate_rps"]
        if heavy := step["heavy_rate_rps"]:
            HeavyUser.period_s = 1 / heavy
        return {LightUser: step["users"], HeavyUser: 1 if heavy else 0}

    def spread_s(self, step: dict[str, Any]) -> float:
        return max(LightUser.period_s, HeavyUser.period_s)

    def end(self) -> dict[str, Any]:
        window = super().end()
        if not self.runner.user_classes_count[HeavyUser.__name__]:
            return window
        heavy = self.figures(HeavyUser)
        window["heavy_requests"], window["heavy_p50_ms"] = heavy["requests"], heavy["p50_ms"]
        if heavy["failures"]:
            window["problems"].append(
                f"{heavy['failures']} of {heavy['requests']} heavy requests failed"
            )
        elif not heavy["requests"]:
            window["problems"].append("no heavy request was completed")
        return window
