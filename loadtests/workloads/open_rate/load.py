"""Requests that arrive at a rate, whatever the answers do: `/?delay=…`."""

from __future__ import annotations

import random
from collections.abc import Callable
from math import sqrt
from time import perf_counter
from typing import Any

import gevent

from loadtests.load import histogram
from loadtests.load.base import StepFailed, tidy
from loadtests.load.failure import RequestFailed
from loadtests.load.http_load import HttpLoad
from loadtests.load.open_user import OpenUser
from loadtests.load.users import DelayUser, RawHttpUser
from loadtests.workloads.open_rate.sustained import Growth, growth

DRAIN_S = 5.0  # after a window, for the answers to what is in flight
LOOK_S = 0.01
# A service warms up at this share of a rate, and connections are opened: what that puts in
# line would never be gone at a rate that is just sustained.
WARM = 0.8
# Of the arrivals that a rate asks for, at least, less some deviations of Poisson's: else the
# generator was not there in time.
ARRIVED, DEVIATIONS = 0.98, 5.0


class ArrivalUser(DelayUser, OpenUser):
    """A stream of requests that wait for the backend."""


class Load(HttpLoad):
    """One stream of arrivals, and what came back in a window.

    A request counts in the window in which its answer came, whenever it was due:
    so requests/s are those that the service completed, also where it cannot keep up.
    Its arrivals are those of the seed, the same for all services of a round.
    """

    user: type[ArrivalUser] = ArrivalUser

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        self.seed = plan.get("seed", "")
        self.sent_ms: list[float] = []
        self.lags_ms: list[float] = []
        self.dropped = self.arrived_before = self.left = 0
        self.growth: Growth | None = None

    def configure(self) -> None:
        self.user.delay = f"{self.profile['delay_s']:g}"
        self.user.rate_rps = 0.0

    def wanted(self, step: dict[str, Any]) -> dict[type[RawHttpUser], int]:
        return {self.user: 1}

    def measure(self, step: dict[str, Any], window: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """A window, and how long what was in flight at its end takes without any more arrivals."""
        if self.left:
            raise StepFailed(f"{self.left} requests of a lower rate were not answered before it")
        self.prepare(step)
        figures = window()
        drain_s = self.drain()
        return {**figures, "drain_s": round(drain_s, 3), "undrained": self.left}

    def prepare(self, step: dict[str, Any]) -> None:
        """Have requests arrive at the step's rate, when the service is warm."""
        tidy()  # while nobody waits: with arrivals under way it would put some in line
        self.user.arrivals = step["arrivals"]
        self.warm(step)
        super().prepare(step)
        self.arrive(step["rate_rps"], step["scenario"])

    def warm(self, step: dict[str, Any]) -> None:
        """Have requests arrive with which the service warms up."""
        self.user.rate_rps = WARM * step["rate_rps"]

    def arrive(self, rate_rps: float, name: str) -> None:
        """Begin with the arrivals of a name, and let what is in flight become what it will be."""
        self.begin_arrivals(rate_rps, name)
        gevent.sleep(2 * self.profile["delay_s"])

    def begin_arrivals(self, rate_rps: float, name: str) -> None:
        """From now on as many requests arrive a second, at the instants of the seed and a name."""
        self.user.rng = random.Random(f"{self.seed} {name}")
        self.user.rate_rps = rate_rps

    def drain(self) -> float:
        """Send nothing until nothing is in flight; the seconds until then, at most DRAIN_S.

        `left` are those that were not answered.
        """
        self.user.rate_rps = 0.0
        begun = perf_counter()
        while self.user.counts.in_flight and perf_counter() < begun + DRAIN_S:
            gevent.sleep(LOOK_S)
        self.left = self.user.counts.in_flight
        return perf_counter() - begun

    def begin(self) -> None:
        super().begin()
        self.sent_ms.clear()
        self.lags_ms.clear()
        self.dropped = 0
        self.arrived_before = self.user.counts.arrived

    def end(self) -> dict[str, Any]:
        """Figures from the instant at which a request was due, and from that of its sending."""
        rate_rps = self.user.rate_rps or 0.0
        arrived = self.user.counts.arrived - self.arrived_before
        due = self.asked()
        window = super().end()
        sent = histogram.measured(self.sent_ms)
        self.growth = growth(self.in_flight, rate_rps)
        window |= {
            "due": arrived,
            "dropped": self.dropped,
            "backlog": window["unfinished"] + self.dropped,
            "growth_rps": round(self.growth.rps, 3) if self.growth else None,
            "lag_p99_ms": histogram.figures(histogram.of(self.lags_ms))["p99_ms"],
            "sent_histogram": sent["histogram"],
            "sent_p50_ms": sent["p50_ms"],
            "sent_p99_ms": sent["p99_ms"],
        }
        if arrived < ARRIVED * due - DEVIATIONS * sqrt(due) - 1:
            window["problems"].append(
                f"only {arrived} requests arrived where the rate asks for {due:.0f}"
            )
        return window

    def asked(self) -> float:
        """How many arrivals a window was to have so far."""
        return (self.user.rate_rps or 0.0) * (perf_counter() - self.opened)

    def unserved(self) -> int:
        """One stream is no user that joins: what arrives late belongs to it."""
        return 0

    def served(self) -> None:
        """There are no users."""

    def connections(self) -> None:
        """As many as it takes: their number says nothing."""

    def noted(
        self, response_time_ms: float | None, failure: RequestFailed | None, context: dict[str, Any]
    ) -> None:
        if response_time_ms is None:
            self.dropped += 1
            return
        self.sent_ms.append(context["sent_ms"])
        self.lags_ms.append(max(0.0, response_time_ms - context["sent_ms"]))
