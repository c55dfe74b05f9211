"""Requests that arrive at a rate, whatever the answers do: `/?delay=…`."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import gevent

from loadtests.load import histogram
from loadtests.load.open import OpenUser
from loadtests.load.users import DelayUser, RawHttpUser
from loadtests.load.workloads import StepFailed
from loadtests.load.workloads.http import HttpLoad

DRAIN_S = 20.0  # for the answers to what was sent before
# Of the arrivals that a rate asks for, at least: else the generator was not there in time.
ARRIVED = 0.98


class ArrivalUser(DelayUser, OpenUser):
    """A stream of requests that wait for the backend."""


class Load(HttpLoad):
    """One stream of arrivals, and what came back in a window.

    A request counts in the window in which its answer came, whenever it was due:
    so requests/s are those that the service completed, also where it cannot keep up.
    """

    user = ArrivalUser

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        self.sent_ms: list[float] = []
        self.lags_ms: list[float] = []
        self.dropped = self.arrived_before = 0
        on_request = self.runner.environment.events.request
        on_request.add_listener(self._note)  # type: ignore[no-untyped-call]

    def configure(self) -> None:
        ArrivalUser.delay = f"{self.profile['delay_s']:g}"
        ArrivalUser.rate_rps = 0.0

    def wanted(self, step: dict[str, Any]) -> dict[type[RawHttpUser], int]:
        return {ArrivalUser: 1}

    def prepare(self, step: dict[str, Any]) -> None:
        """Let what is in flight end, then have requests arrive at the step's rate."""
        self.drain()
        ArrivalUser.rate_rps = step["rate_rps"]
        super().prepare(step)

    def drain(self) -> None:
        """Send nothing until nothing is in flight; StepFailed where that takes too long."""
        ArrivalUser.rate_rps = 0.0
        begun = perf_counter()
        while ArrivalUser.in_flight:
            if perf_counter() > begun + DRAIN_S:
                raise StepFailed(
                    f"{ArrivalUser.in_flight} requests of the rate before were still "
                    f"unanswered {DRAIN_S:g} s after the last of them was sent"
                )
            gevent.sleep(0.02)

    def begin(self) -> None:
        super().begin()
        self.sent_ms.clear()
        self.lags_ms.clear()
        self.dropped = 0
        self.arrived_before = ArrivalUser.arrived

    def end(self) -> dict[str, Any]:
        """Figures from the instant at which a request was due, and from that of its sending."""
        arrived = ArrivalUser.arrived - self.arrived_before
        due = (ArrivalUser.rate_rps or 0.0) * (perf_counter() - self.opened)
        window = super().end()
        sent = histogram.measured(self.sent_ms)
        window |= {
            "dropped": self.dropped,
            "lag_p99_ms": histogram.figures(histogram.of(self.lags_ms))["p99_ms"],
            "sent_histogram": sent["histogram"],
            "sent_p50_ms": sent["p50_ms"],
            "sent_p99_ms": sent["p99_ms"],
        }
        if arrived < ARRIVED * due - 1:
            window["problems"].append(
                f"only {arrived} requests arrived where the rate asks for {due:.0f}"
            )
        return window

    def await_first_answers(self) -> None:
        """One stream is no user that joins: what arrives late belongs to it."""

    def served(self) -> None:
        """There are no users."""

    def connections(self) -> None:
        """As many as it takes: their number says nothing."""

    def _note(self, response_time: float | None, context: dict[str, float], **_: object) -> None:
        if response_time is None:
            self.dropped += 1
            return
        self.sent_ms.append(context["sent_ms"])
        self.lags_ms.append(max(0.0, response_time - context["sent_ms"]))
