"""A perfect service: the generator straight at the backend, under a profile's own load.

No service can do more on this machine, as what it does itself comes on top. So the figures bound
those of all services from above, tighter than arithmetic, which knows neither of the two.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Any

from loadtests.bench.generating import SLACK_S, plan_of, told
from loadtests.bench.measure import fail, fill, point_of
from loadtests.bench.plan import Part
from loadtests.bench.verdict import judge, set_ceiling
from loadtests.record import BOUNDS, Point
from loadtests.record.point import LEAST
from loadtests.runtime import ServiceFailed

# The figures that are kept of a point: the others are a service's.
KEPT = (
    *("requests", "failures", "rps", "efficiency", "p50_ms", "p99_ms"),
    *("capacity_rps", "failed_at_rps", "generator_cpu", "backend_cpu", "backend_late_p99_ms"),
    *("added_p50_ms", "added_p99_ms", "added_p999_ms"),
    *("lag_p99_ms", "bound", "valid", "invalid_because"),
)
NO_LIMITS = {"slots": inf, "client_pool": inf, "workers": 1}
SERVICE = "perfect"


def measure(
    part: Part, seed: str, instruments: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """`perfect` of a workload in run.schema.json; empty, and a line, where it cannot be measured.

    The arrivals are those of `seed`.
    """
    name = part.profile.name
    try:
        points = list(_points(part, seed, instruments))
    except ServiceFailed as error:
        print(f"{name}: a perfect service could not be measured: {error}", flush=True)
        return {}
    said = "; ".join(f"{point.scenario} {_said(point)}" for point in points)
    print(f"{name}: a perfect service, the generator straight at the backend: {said}", flush=True)
    return {point.scenario: kept(point) for point in points if point.duration_s}


def kept(point: Point) -> dict[str, Any]:
    """The record of a point, without figures that its load lacks or too few answers give."""
    found = {field: getattr(point, field) for field in KEPT}
    return {
        field: value
        for field, value in found.items()
        if value is not None and point.requests >= LEAST.get(field, 0)
    }


def _points(part: Part, seed: str, instruments: Mapping[str, Any] | None) -> Iterator[Point]:
    profile, kind, runtime = part.profile, part.profile.of_kind, part.runtime
    limit_s = SLACK_S + profile.turn_s()
    for steps in profile.starts():
        plan = plan_of(runtime, runtime.backend_url, profile, steps, seed) | {"straight": True}
        for step, event in zip(steps, told(runtime, plan, limit_s), strict=True):
            point = point_of(profile, SERVICE, 0, step, event["duration_s"])
            if "reason" in event:
                fail(point, event["reason"], "")
            else:
                fill(point, event, {"cpu_s": 0.0})
                point.backend_apart = bool(runtime.machines)
                away = {"load_service": runtime.round_trips.get("load_backend", {})}
                set_ceiling(point, NO_LIMITS, kind, step, away)
                judge(point, kind, instruments=instruments)
            yield point


def _said(point: Point) -> str:
    """The result, in a few words."""
    if not point.duration_s:
        return f"failed: {'; '.join(point.invalid_because)}"
    said = f"{point.rps:g}/s"
    if point.p99_ms is not None:
        said += f" p99 {point.p99_ms:.4g} ms"
    if point.bound:
        said += f", bound by {BOUNDS[point.bound]}"
    return said + "".join(f", INVALID: {reason}" for reason in point.invalid_because)
