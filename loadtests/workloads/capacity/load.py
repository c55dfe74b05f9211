"""The highest rate of arrivals that a service sustains, by the search of `search.py`.

A rate is sustained where no request fails and none is dropped, what is in flight does not
grow beyond noise, 99.5 % of the arrivals are answered, and 99 % of the answers come within
the delay and `limit_ms`, counted from the instants at which the requests were due. The
figures of the point are those of the window at the rate that was found.
"""

from __future__ import annotations

from collections.abc import Callable
from math import sqrt
from time import perf_counter, process_time
from typing import Any

import gevent

from loadtests.bench.rules import MAX_GENERATOR_CPU
from loadtests.bench.surroundings import disturbed
from loadtests.load.base import OPENING_S, StepFailed, backend_stats
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed
from loadtests.runtime import strangers
from loadtests.runtime.strangers import Look
from loadtests.workloads.capacity.search import NothingFound, search, undisturbed
from loadtests.workloads.open_rate import load as arrivals
from loadtests.workloads.open_rate import sustained
from loadtests.workloads.open_rate.load import ArrivalUser
from loadtests.workloads.open_rate.sustained import Verdict, Window

# Of what is in flight where all take as long as 99 % may: then there is no hope. Nor is there any
# where more answers were late than may be of all that a window can have, but for chance.
HOPELESS = 1.5
LATE, SIGMAS = 0.01, 4
# A probe, and a window of few arrivals, lasts until so many have come, but not for longer.
PROBE_S, PROBED, LONGEST_PROBE_S = 0.6, 20, 4.0
NEEDED, LONGEST_WINDOWS = 200, 2.0
# From then on no further window is begun: where a rate has failed, and where none has yet, which
# would leave no more than a lower bound.
HURRY_S, HURRY_BOUND_S = 45.0, 65.0
AGAIN_S = 30.0  # and what others have disturbed is not repeated
DRAINS = 4  # so often it is waited for what a rate has left behind

Figures = dict[str, Any]


class Load(arrivals.Load):
    """One stream of arrivals, whose rate is what is searched for."""

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        self.backend = Connection(plan["backend"], timeout_s=10)
        self.shares_core = len(plan["cpus"]) == 1 and not plan.get("backend_apart")
        self.used, self.busy = (0.0, 0.0), 0.0
        self.limit_s = self.profile["delay_s"] + self.profile["limit_ms"] / 1000
        self.probes: list[Figures] = []
        self.late_answers = 0
        self.window_s = 0.0
        self.hopeless = False
        self.bench: int | None = plan.get("bench")  # None where other processes are not seen
        self.cpus = plan.get("service_cpus", []), plan["cpus"]
        self.before: Look | None = None

    def measure(self, step: dict[str, Any], window: Callable[[], Figures]) -> Figures:
        """Search; the figures are those of the window at the rate that was found."""
        self.probes, begun = [], perf_counter()
        windows: list[Figures] = []
        shown: dict[float, Figures] = {}

        def probe(rate_rps: float) -> Verdict:
            self.begin_rate(step, rate_rps, f"probe {len(self.probes)}")
            self.before = self.look()
            gevent.sleep(OPENING_S)
            self.begin()
            self.watch(min(LONGEST_PROBE_S, max(PROBE_S, PROBED / rate_rps)))
            duration_s = perf_counter() - self.opened
            return self.note(rate_rps, {**self.end(), "duration_s": duration_s})

        def whole(rate_rps: float) -> Verdict:
            number = len(windows)
            self.begin_rate(step, rate_rps, f"window {number}")
            self.before = self.look()
            windows.append({**window(), "of_window": number})
            verdict = self.note(rate_rps, windows[-1])
            if verdict.sustained:
                shown[rate_rps] = windows[-1]
            return verdict

        def after(seconds: float) -> Callable[[], bool]:
            return lambda: perf_counter() > begun + seconds

        try:
            moment, window_of = (undisturbed(tried, after(AGAIN_S)) for tried in (probe, whole))
            ends = {True: after(HURRY_S), False: after(HURRY_BOUND_S)}
            found = search(moment, window_of, lambda failed: ends[failed]())
        except NothingFound as error:
            raise StepFailed(str(error)) from None
        return {
            **shown[found.capacity_rps],
            "capacity_rps": found.capacity_rps,
            "failed_at_rps": found.failed_at_rps,
            "search_ended": found.ended,
            "probes": self.probes,
        }

    def begin_rate(self, step: dict[str, Any], rate_rps: float, name: str) -> None:
        """Have requests arrive at a rate, when nothing is left of the one before."""
        for _ in range(DRAINS):
            self.drain()
        if self.left:
            raise StepFailed(f"{self.left} requests of the rate before were never answered")
        self.prepare({**step, "rate_rps": rate_rps, "scenario": name})

    def begin(self) -> None:
        self.used = self.used_s()
        self.late_answers, self.hopeless = 0, False
        super().begin()

    def run(self, window_s: float) -> None:
        """A window at a low rate is longer, that it may have some arrivals."""
        needed_s = NEEDED / (ArrivalUser.rate_rps or 1.0)
        self.watch(max(window_s, min(LONGEST_WINDOWS * window_s, needed_s)))

    def watch(self, seconds: float) -> None:
        """Let requests arrive, and see how busy the core is that makes them."""
        self.window_s = seconds
        super().run(seconds)
        passed_s = perf_counter() - self.opened
        used_s = [after - before for before, after in zip(self.used, self.used_s(), strict=True)]
        # To ask for it takes time, too: of a moment it says nothing.
        known = passed_s > PROBE_S / 2
        self.busy = (sum(used_s) if self.shares_core else max(used_s)) / passed_s if known else 0.0

    def used_s(self) -> tuple[float, float]:
        """CPU time of the generator and of the backend so far."""
        return process_time(), backend_stats(self.backend)["cpu_s"]

    def look(self) -> Look | None:
        """All processes, where they can be seen."""
        return strangers.look([self.bench]) if self.bench else None

    def disturbance(self) -> str:
        """The other processes or the host, if they used too much of a core since the last look."""
        if self.bench is None:
            return ""
        return disturbed(strangers.shares(self.before, self.look(), *self.cpus))

    def is_hopeless(self) -> bool:
        """Whether more is in flight, or was late, than a rate that is sustained can have."""
        rate_rps = ArrivalUser.rate_rps or 0.0
        waiting, answers = rate_rps * self.limit_s, rate_rps * (self.window_s + self.limit_s)
        most = HOPELESS * waiting + SIGMAS * sqrt(waiting) + 2
        most_late = LATE * (answers + SIGMAS * sqrt(answers)) + 1
        self.hopeless = ArrivalUser.counts.in_flight > most or self.late_answers > most_late
        return self.hopeless

    def noted(
        self, response_time_ms: float | None, failure: RequestFailed | None, context: dict[str, Any]
    ) -> None:
        super().noted(response_time_ms, failure, context)
        late = response_time_ms is not None and response_time_ms > 1000 * self.limit_s
        self.late_answers += late

    def note(self, rate_rps: float, figures: Figures) -> Verdict:
        """Add to the probes what came of a rate, and judge it."""
        seen = Window(
            rate_rps=rate_rps,
            duration_s=figures["duration_s"],
            arrivals=figures["due"],
            answers=figures["requests"],
            failures=figures["failures"],
            dropped=figures["dropped"],
            in_flight=figures["in_flight"] or 0.0,
            growth=self.growth,
            p99_ms=figures["p99_ms"],
            sent_ms=figures["sent_p99_ms"],
            lag_ms=figures["lag_p99_ms"] or 0.0,
            busy=self.busy,
            # Of a moment it says nothing, either.
            late="; ".join(figures["problems"]) if figures["duration_s"] > PROBE_S / 2 else "",
            hopeless=self.hopeless,
        )
        limit_ms = 1000 * self.limit_s
        said = sustained.judge(seen, limit_ms, self.profile["limit_ms"], MAX_GENERATOR_CPU)
        if others := self.disturbance():
            said = Verdict("" if said.sustained else others, "others")
        self.probes.append(
            {
                "rate_rps": rate_rps,
                "sustained": said.sustained,
                "because": said.because,
                "p99_ms": figures["p99_ms"],
                "rps": round(figures["requests"] / figures["duration_s"], 2),
                "duration_s": round(figures["duration_s"], 2),
                "busy": round(self.busy, 3),
            }
        )
        return said
