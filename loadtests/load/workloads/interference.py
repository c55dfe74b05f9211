"""Light requests at a rate, and what heavy ones do to them: `/?delay=…` beside `/cpu?cycles=…`."""

from __future__ import annotations

from typing import Any

from loadtests.load.connection import Connection
from loadtests.load.users import DelayUser, PacedUser, RawHttpUser
from loadtests.load.workloads import expect
from loadtests.load.workloads.http import HttpLoad


class LightUser(DelayUser, PacedUser):
    """Waits for the backend, at a rate."""


class HeavyUser(PacedUser):
    """Has the service compute, at a rate; one user for each of them a second."""

    cycles = 0

    @classmethod
    def path(cls) -> bytes:
        return b"/cpu?cycles=%d" % cls.cycles

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        return body == b'{"cycles":%d}' % self.cycles


class Load(HttpLoad):
    """The light users' figures, first alone and then beside the heavy ones."""

    user = LightUser
    others = (HeavyUser,)

    def configure(self) -> None:
        LightUser.delay = f"{self.profile['delay_s']:g}"
        HeavyUser.cycles = self.profile["cycles"]

    def check(self, service: Connection) -> None:
        expect(service, "/cpu?cycles=10", b'{"cycles":10}')

    def wanted(self, step: dict[str, Any]) -> dict[type[RawHttpUser], int]:
        heavy = step["heavy_rate_rps"]
        users = max(1, round(heavy)) if heavy else 0
        LightUser.period_s = step["users"] / step["rate_rps"]
        HeavyUser.period_s = users / heavy if heavy else 1.0
        return {LightUser: step["users"], HeavyUser: users}

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
