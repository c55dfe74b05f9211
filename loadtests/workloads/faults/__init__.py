"""Faults of the backend, of the machine and of callers: what is lost, and how soon it is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from loadtests.workloads.kind import Kind, Settings, Step, positive, valid_delay

# By its name: what goes wrong, as words of a sentence.
BACKEND = {
    "refuse": "refuses connections",
    "reset-before-head": "resets before the head",
    "reset-in-head": "resets in the head",
    "reset-after-head": "resets after the head",
    "close-idle": "closes idle connections",
    "500": "answers 500",
    "503": "answers 503",
    "garbled-head": "answers with a garbled head",
    "wrong-length": "announces more than it sends",
    "cut-body": "cuts the body off",
    "silent": "never answers",
    "trickle": "sends a byte a second",
    "slow": "is slow for 10 s",
    "two-answers": "answers twice",
    "huge-body": "answers with 100 MB",
    "full-backlog": "listens with a full backlog",
}
HARNESS = {
    "kill": "is killed and started again",
    "freeze": "is frozen",
    "no-name": "loses its name",
}
CALLERS = {
    "hang-up": "hang up before their answer",
    "half-request": "send half a request",
    "not-reading": "do not read their answers",
}
SAID = {
    **{name: f"the backend {text}" for name, text in (BACKEND | HARNESS).items()},
    **{name: f"other callers {text}" for name, text in CALLERS.items()},
}


def skipped(fault: str, plan: Mapping[str, Any]) -> str:
    """Why a fault cannot be had under the generator's plan; empty where it can."""
    if fault in HARNESS and plan.get("backend_apart"):
        return "a command takes too long to another machine to begin and end it in time"
    if fault == "no-name" and plan.get("runtime") != "compose":
        return "only a container has a name that can be taken away"
    return ""


@dataclass(frozen=True, kw_only=True)
class Faults(Settings):
    """Which faults, each for `fault_s` under a steady `rate_rps`.

    An answer that is not there after `timeout_s` counts as none; a fault of the backend's strikes
    a `share` of the calls.
    """

    faults: tuple[str, ...]
    delay_s: float
    rate_rps: float
    fault_s: float
    timeout_s: float
    share: float = 1.0

    def steps(self, profile: str) -> Iterable[Step]:
        """One for each fault, all in one start of the service."""
        for name in self.faults:
            yield Step(f"{profile}-{name}", rate_rps=self.rate_rps, fault=name)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value; and a window must have room for the fault and the time after it."""
        unknown = [name for name in self.faults if name not in SAID]
        if unknown:
            yield f"there is no fault {', '.join(unknown)}; there are: {', '.join(SAID)}"
        twice = [name for name, number in Counter(self.faults).items() if number > 1]
        yield f"named twice: {', '.join(twice)}" if twice else ""
        yield valid_delay(self.delay_s)
        yield positive("rate_rps", self.rate_rps)
        yield positive("fault_s", self.fault_s)
        yield "" if self.timeout_s > self.delay_s else "timeout_s must be more than delay_s"
        yield "" if 0 < self.share <= 1 else "share must be more than 0 and at most 1"
        if self.fault_s + self.timeout_s >= window_s:
            yield "fault_s and timeout_s must together be less than window_s"


KIND = Kind(settings=Faults, calls=1, answers=False, timed=False, stalls=True, faulty=True)
