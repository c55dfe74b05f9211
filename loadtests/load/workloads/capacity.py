"""A search over open rates: the highest one that the service sustains.

A rate is sustained where no request fails and none is dropped, answers keep up
with arrivals, and 99 % of them come within the delay and `limit_ms`, counted from
the instants at which the requests were due. The first rate is doubled until one
is not sustained, or cut until one is; then the middle of what is between is tried,
until that is no more than 5 %. A failure may be noise, a pause of 100 ms is enough:
a rate has failed that failed twice, or by far. The window of the point, and with
it all its other figures, is one more at the rate that was found.

Where the generator comes to its own limit first, the rate that was found is a lower
bound: the service failed at none.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter, process_time
from typing import Any

import gevent

from loadtests.bench.rules import MAX_GENERATOR_CPU
from loadtests.load.open import LATE_S
from loadtests.load.workloads import StepFailed
from loadtests.load.workloads import open as arrivals
from loadtests.load.workloads.open import ArrivalUser

FIRST_RPS, LOWEST_RPS, HIGHEST_RPS = 100.0, 1.0, 50_000.0
CLOSE = 1.05  # what two rates may differ by in the end
KEPT_UP = 0.95  # of the arrivals, at least, must be answered in the window
# Times what can be in flight at a rate within the limit, and some: then there is no hope.
HOPELESS, SOME = 2.0, 5
NEAR = 0.9  # of its arrivals a rate must have answered to be tried a second time
LOOK_S = 0.02
# Of a warm-up and a window: until it is known where to look closer, and then.
FIRST_LOOK, CLOSER_LOOK = 0.25, 0.6
SEARCH_S = 30.0  # then it ends, however far the rates are apart
# Windows at the rate found, or ever lower ones, until one is sustained, and the generator on time.
CONFIRMATIONS = 6
OWN_CPU = 0.4  # of a busy core, from which on it is the generator's own rate that keeps it busy
GENERATOR = "the generator"  # so begin the reasons that are not the service's

Probe = dict[str, Any]


class Load(arrivals.Load):
    """One stream of arrivals, whose rate is what is searched for."""

    def configure(self) -> None:
        super().configure()
        self.limit_s = self.profile["delay_s"] + self.profile["limit_ms"] / 1000
        self.probes: list[Probe] = []

    def measure(self, step: dict[str, Any], window: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Search, and measure a window at the rate that was found; StepFailed without one."""
        self.probes = []
        self.prepare({**step, "rate_rps": FIRST_RPS})
        found_rps, failed_rps = self.search()
        for number in range(CONFIRMATIONS):
            self.prepare({**step, "rate_rps": found_rps})
            used_s = process_time()
            figures = window()
            figures["own_cpu"] = (process_time() - used_s) / figures["duration_s"]
            sustained = self.note(found_rps, figures)
            if sustained and (figures["lag_p99_ms"] or 0.0) <= LATE_S * 1000:
                break
            if not sustained:
                # Further each time: the machine may be slower now than in the search.
                lower_rps = found_rps / CLOSE ** (number + 1)
                if self.probes[-1]["because"].startswith(GENERATOR):
                    spare = MAX_GENERATOR_CPU / max(figures["generator_cpu"], MAX_GENERATOR_CPU)
                    lower_rps = found_rps * spare / CLOSE**0.5
                found_rps, failed_rps = _rounded(lower_rps), found_rps
        if not sustained:
            raise StepFailed(f"what was sustained before was not again, down to {failed_rps:g}/s")
        because = [probe["because"] for probe in self.probes if probe["rate_rps"] == failed_rps]
        found = {
            "capacity_rps": found_rps,
            "failed_at_rps": None if because[-1].startswith(GENERATOR) else failed_rps,
            "probes": self.probes,
        }
        return {**figures, **found}

    def search(self) -> tuple[float, float]:
        """The highest rate that was sustained and the lowest that was not; StepFailed."""
        begun = perf_counter()
        low, high, rate = 0.0, 0.0, FIRST_RPS
        while not low or not high or high > 2 * low:
            if not LOWEST_RPS <= rate <= HIGHEST_RPS:
                said = f"not even {high:g}/s were sustained" if high else f"even {low:g}/s were"
                raise StepFailed(f"{said}: {self.probes[-1]['because'] or 'no limit was found'}")
            if self.sustains(rate, FIRST_LOOK):
                low, rate = rate, rate * 2
            else:
                # What it did meanwhile is near what it can do.
                high, rate = rate, min(rate / 2, max(LOWEST_RPS, self.probes[-1]["rps"]))
        while high > low * CLOSE and perf_counter() < begun + SEARCH_S:
            rate = _rounded((low * high) ** 0.5)
            low, high = (rate, high) if self.sustains(rate, CLOSER_LOOK) else (low, rate)
        return low, high

    def sustains(self, rate_rps: float, share: float) -> bool:
        """Try a rate, a second time where the first may have been bad luck."""
        if self.probe(rate_rps, share):
            return True
        near = self.probes[-1]["rps"] > NEAR * rate_rps and not self.hopeless(rate_rps)
        return near and self.probe(rate_rps, share)

    def probe(self, rate_rps: float, share: float) -> bool:
        """Whether a rate was sustained for a share of a window, which ends early without hope."""
        self.drain()
        self.begin()
        ArrivalUser.rate_rps = rate_rps
        if self.endures(rate_rps, self.profile["delay_s"] + share * self.profile["warmup_s"]):
            self.begin()
            self.endures(rate_rps, share * self.profile["window_s"])
        return self.note(rate_rps, {**self.end(), "duration_s": perf_counter() - self.opened})

    def endures(self, rate_rps: float, seconds: float) -> bool:
        """Wait so long, or until there is no hope; whether there is."""
        end = perf_counter() + seconds
        while perf_counter() < end and not self.hopeless(rate_rps):
            gevent.sleep(LOOK_S)
        return not self.hopeless(rate_rps)

    def hopeless(self, rate_rps: float) -> bool:
        """Whether far more is in flight than can be answered within the limit."""
        return bool(ArrivalUser.in_flight > HOPELESS * rate_rps * self.limit_s + SOME)

    def note(self, rate_rps: float, figures: dict[str, Any]) -> bool:
        """Whether what was measured says that a rate is sustained; it is kept with the reason."""
        because = self.because(rate_rps, figures)
        self.probes.append(
            {
                "rate_rps": rate_rps,
                "sustained": not because,
                "because": because,
                "p99_ms": figures["p99_ms"],
                "rps": round(figures["requests"] / figures["duration_s"], 2),
            }
        )
        return not because

    def because(self, rate_rps: float, figures: dict[str, Any]) -> str:
        """Why a rate is not sustained; empty where it is.

        It is the generator's fault where it did not send in time: where times from
        the sending are within the limit, or it was late by half of what may be added.
        And where it has no CPU to spare, and it is not others who took it.
        """
        p99_ms, limit_ms = figures["p99_ms"], self.limit_s * 1000
        requests, due = figures["requests"], rate_rps * figures["duration_s"]
        reasons = {
            f"{figures['dropped']} requests were dropped": figures["dropped"],
            f"{figures['failures']} of {requests} requests failed": figures["failures"],
            f"{ArrivalUser.in_flight} requests were in flight": self.hopeless(rate_rps),
            f"only {requests} of {due:.0f} requests were answered": requests < KEPT_UP * due - 1,
            f"p99 {p99_ms or 0:.4g} ms is above {limit_ms:g} ms": p99_ms and p99_ms > limit_ms,
        }
        wrong = [*figures["problems"], *(reason for reason in reasons if reasons[reason])]
        lag_ms, sent_ms = figures["lag_p99_ms"] or 0.0, figures["sent_p99_ms"] or 0.0
        fast = wrong and wrong[0].startswith("p99") and sent_ms <= limit_ms
        if figures["problems"] or fast or (wrong and lag_ms > self.profile["limit_ms"] / 2):
            return f"{GENERATOR} was late: start lag p99 {lag_ms:.3g} ms; {wrong[0]}"
        busy, own = figures.get("generator_cpu", 0.0), figures.get("own_cpu", 0.0)
        if not wrong and busy > MAX_GENERATOR_CPU and own > OWN_CPU:
            return f"{GENERATOR}'s core was {busy:.0%} busy"
        return wrong[0] if wrong else ""


def _rounded(rate_rps: float) -> float:
    """To three digits."""
    return float(f"{rate_rps:.3g}")
