"""Requests at a rate whose delays are drawn: `/?delay=…`, each with one of its own."""

from __future__ import annotations

from typing import Any

import gevent

from loadtests.load import histogram
from loadtests.load.drawn_user import DrawnUser
from loadtests.load.failure import RequestFailed
from loadtests.workloads import delays
from loadtests.workloads.open_rate import load as open_rate
from loadtests.workloads.open_rate.load import ArrivalUser

# An answer may seem this much earlier than the backend gives it: clocks, and timers.
EARLY_MS = 0.5
# The number in flight is steady when nearly all that arrived first has been answered.
NEARLY_ALL = 0.995


class TailUser(DrawnUser, ArrivalUser):
    """A stream of requests, each with a delay of its own."""


class Load(open_rate.Load):
    """A stream of arrivals, and what the service added to the delay of each."""

    user: type[ArrivalUser] = TailUser

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        self.added_ms: list[float] = []

    def configure(self) -> None:
        self.user.rate_rps = 0.0

    def spread_s(self, step: dict[str, Any]) -> float:
        """One stream, whose users need no time to begin."""
        return 0.0

    def prepare(self, step: dict[str, Any]) -> None:
        self.delays, self.drawn = delays.parse(step["delays"]), f"{self.seed} delays"
        TailUser.drawn = TailUser.own(self.delays.drawn(f"{self.drawn} before"))
        super().prepare(step)

    def arrive(self, rate_rps: float, name: str) -> None:
        TailUser.drawn = TailUser.own(self.delays.drawn(self.drawn))
        self.begin_arrivals(rate_rps, name)
        gevent.sleep(2 * self.delays.quantile(NEARLY_ALL))

    def begin(self) -> None:
        super().begin()
        self.added_ms.clear()

    def end(self) -> dict[str, Any]:
        """The figures, and those of what was added to the delays."""
        window = super().end()
        early = sum(added < -EARLY_MS for added in self.added_ms)
        if early:
            window["problems"].append(f"{early} answers came before the backend's: no wait")
        text = histogram.of(max(0.0, added) for added in self.added_ms)
        found = histogram.figures(text)
        added = {f"added_{name}": found[name] for name in ("p50_ms", "p99_ms", "p999_ms")}
        return {**window, **added, "added_histogram": text}

    def noted(
        self, response_time_ms: float | None, failure: RequestFailed | None, context: dict[str, Any]
    ) -> None:
        super().noted(response_time_ms, failure, context)
        if response_time_ms is not None and failure is None:
            self.added_ms.append(response_time_ms - 1000 * float(context["head"]))
