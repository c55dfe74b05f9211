"""A backend that stalls in the middle of a window: few closed requests see it, many open ones."""

from __future__ import annotations

from typing import Any

from conftest import Stage
from test_generator import closed, without_lateness

from loadtests.load import histogram
from loadtests.runtime.local import LocalRuntime

STALL: dict[str, Any] = {
    "kind": "stall", "users": (4,), "rate_rps": 40, "delay_s": 0.05, "stall_s": 0.6,
    "warmup_s": 0.2, "window_s": 2.0,
}  # fmt: skip


def slow_share(window: dict[str, Any]) -> float:
    """How many of the requests took longer than a third of the stall."""
    counts = histogram.counts(window["histogram"])  # up to each time
    quick = [seen for time_ms, seen in counts if time_ms <= 200]
    return 1 - quick[-1] / counts[-1][1]


def test_a_stall(stage: Stage, runtime: LocalRuntime) -> None:
    """All closed users wait once; all open requests that arrive in the stall wait."""
    users, rate = closed(runtime, stage("good")[0], **STALL)
    for window in (users, rate):
        assert (window["failures"], without_lateness(window["problems"])) == (0, [])
        assert window["max_ms"] >= 500
    assert 0 < slow_share(users) < slow_share(rate)
    assert rate["p90_ms"] >= 200
    assert users["recovery_s"] is None  # as many wait as ever
    assert rate["recovery_s"] is None or 0 <= rate["recovery_s"] < 0.8
