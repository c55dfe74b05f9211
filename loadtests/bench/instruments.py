"""The limits of the generator and the backend on this machine, measured before any service."""

from __future__ import annotations

from typing import Any

from loadtests.bench.generating import told
from loadtests.record import round_trips
from loadtests.runtime import Runtime, ServiceFailed

DELAY_MS = 100.0  # of the null server and of the backend
# The best of several windows is what the generator can do when nothing else disturbs it.
STEPS = (
    *[{"scenario": "ceiling", "users": 50, "window_s": 0.6}] * 3,
    {"scenario": "added", "users": 20, "window_s": 2.0},
    {"scenario": "backend", "users": 50, "window_s": 1.0},
)
LIMIT_S = 60.0


def measure(runtime: Runtime) -> dict[str, Any] | None:
    """`instruments` of run.schema.json, within some 9 s; None, and a line, where it cannot be."""
    try:
        with runtime.null_server() as url:
            found = instruments(runtime.burn(), _windows(runtime, url))
    except ServiceFailed as error:
        print(f"the instruments could not be measured: {error}", flush=True)
        return None
    print(
        f"instruments: the generator can do {found['generator_ceiling_rps']:g} requests/s and adds "
        f"{found['added_p50_ms']:g} ms to a response time (p99 {found['added_p99_ms']:g}); "
        f"the backend is {found['backend_late_p50_ms']:g} ms late "
        f"(p99 {found['backend_late_p99_ms']:g}); "
        f"a millisecond of CPU is {found['burn_cycles_per_ms']:,.0f} turns of an empty loop",
        flush=True,
    )
    if not runtime.round_trips:
        return {**found}
    print(round_trips.told(runtime.round_trips), flush=True)
    return {**found, "round_trips": runtime.round_trips}


def instruments(cycles_per_ms: float, windows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures, from windows as the generator prints them, in the order of STEPS."""
    *ceilings, added, backend = windows
    return {
        "burn_cycles_per_ms": cycles_per_ms,
        "generator_ceiling_rps": max(round(w["requests"] / w["duration_s"], 1) for w in ceilings),
        "added_p50_ms": round(max(0.0, added["p50_ms"] - DELAY_MS), 3),
        "added_p99_ms": round(max(0.0, added["p99_ms"] - DELAY_MS), 3),
        "backend_late_p50_ms": backend["late_p50_ms"],
        "backend_late_p99_ms": backend["late_p99_ms"],
    }


def _windows(runtime: Runtime, url: str) -> list[dict[str, Any]]:
    plan = {
        "host": url,
        "backend": runtime.backend_url,
        "cpus": runtime.load_cpus,
        "profile": {"kind": "instruments", "delay_s": DELAY_MS / 1000, "warmup_s": 0.1}
        | {"window_s": 0.0},
        "steps": STEPS,
    }
    found = []
    for event in told(runtime, plan, LIMIT_S):
        if event["event"] == "failed":
            raise ServiceFailed(event["reason"])
        if event["failures"] or not event["requests"]:
            raise ServiceFailed(f"{event['failures']} of {event['requests']} failed")
        found.append(event)
    if len(found) < len(STEPS):
        raise ServiceFailed(f"the generator ended after {len(found)} of {len(STEPS)} steps")
    return found
