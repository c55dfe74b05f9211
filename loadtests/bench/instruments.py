"""What the generator and the backend can do on this machine, measured before any service."""

from __future__ import annotations

import json
from typing import Any

from loadtests.bench.measure import generating
from loadtests.runtime import Runtime, ServiceFailed

DELAY_MS = 100.0  # of the null server and of the backend
# The best of several windows is what the generator can do when nothing else disturbs it.
STEPS = (
    {"scenario": "burn"},
    *[{"scenario": "ceiling", "users": 50, "window_s": 0.6}] * 3,
    {"scenario": "added", "users": 20, "window_s": 2.0},
    {"scenario": "backend", "users": 50, "window_s": 1.0},
)
LIMIT_S = 60.0


def measure(runtime: Runtime) -> dict[str, float | None] | None:
    """`instruments` of run.schema.json, within some 9 s; None, and a line, where it cannot be."""
    try:
        with runtime.null_server() as url:
            windows = _windows(runtime, url)
    except ServiceFailed as error:
        print(f"the instruments could not be measured: {error}", flush=True)
        return None
    found = instruments(windows)
    print(
        f"instruments: the generator can do {found['generator_ceiling_rps']:g} requests/s and adds "
        f"{found['added_p50_ms']:g} ms to a response time (p99 {found['added_p99_ms']:g}); "
        f"the backend is {found['backend_late_p50_ms']:g} ms late "
        f"(p99 {found['backend_late_p99_ms']:g}); "
        f"a millisecond of CPU is {found['burn_cycles_per_ms']:,.0f} cycles",
        flush=True,
    )
    return {**found}


def instruments(windows: list[dict[str, Any]]) -> dict[str, float]:
    """The figures, from windows as the generator prints them, in the order of STEPS."""
    burn, *ceilings, added, backend = windows
    return {
        "burn_cycles_per_ms": burn["cycles_per_ms"],
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
    with generating(runtime, json.dumps(plan), LIMIT_S) as generator:
        assert generator.stdout is not None
        assert generator.stderr is not None
        for line in generator.stdout:
            event = json.loads(line)
            if event["event"] in ("broken", "failed"):
                raise ServiceFailed(event["reason"])
            if event["event"] == "close":
                if event["scenario"] != "burn" and (event["failures"] or not event["requests"]):
                    raise ServiceFailed(f"{event['failures']} of {event['requests']} failed")
                found.append(event)
        if generator.wait() or len(found) < len(STEPS):
            raise ServiceFailed(f"the generator ended: {generator.stderr.read().strip()[-2000:]}")
    return found
