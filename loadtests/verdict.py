"""What a point can reach by arithmetic, and whether it can be believed."""

from __future__ import annotations

from typing import Any

from loadtests.record import Point

MAX_EFFICIENCY = 1.02
MAX_FAILURES = 0.001
MAX_GENERATOR_CPU = 0.85
MIN_REQUESTS = 20


def set_ceiling(point: Point, info: dict[str, Any]) -> None:
    """Fill in `ceiling_rps`, `binding` and `efficiency` from what the service's `/info` says.

    No more requests can wait at once than there are users, slots of the
    service, or connections to the backend; each waits for the delay.
    """
    limits = {
        "users": point.users,
        "slots": info["slots"],
        "client_pool": info["client_pool"] * info["workers"],
    }
    point.binding = min(limits, key=lambda name: limits[name])
    point.ceiling_rps = round(limits[point.binding] / point.delay_s, 3)
    point.efficiency = round(point.rps / point.ceiling_rps, 4)


def judge(point: Point) -> None:
    """Fill in `valid` and `invalid_because`."""
    reasons = []
    if point.efficiency > MAX_EFFICIENCY:
        reasons.append(
            f"efficiency {point.efficiency:.3f} is above {MAX_EFFICIENCY}: the wait was skipped"
        )
    if point.failures > MAX_FAILURES * point.requests:
        kinds = ", ".join(f"{times} {kind}" for kind, times in point.failure_kinds.items())
        reasons.append(f"{point.failures} of {point.requests} requests failed ({kinds})")
    stray = abs(point.backend_calls - point.requests)
    if stray > point.users:
        reasons.append(
            f"the backend received {point.backend_calls} calls for {point.requests} requests"
        )
    if point.generator_cpu is not None and point.generator_cpu > MAX_GENERATOR_CPU:
        reasons.append(f"the generator's core was {point.generator_cpu:.0%} busy")
    least = fewest_requests(point)
    if point.requests < least:
        reasons.append(f"only {point.requests} requests completed, at least {least} are needed")
    point.invalid_because = reasons
    point.valid = not reasons


def fewest_requests(point: Point) -> int:
    """How many requests a point needs: 20, or what its ceiling allows less one cut at each end."""
    possible = int(point.ceiling_rps * point.duration_s + 1e-9)
    return max(1, min(MIN_REQUESTS, possible - 2))
