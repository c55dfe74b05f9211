"""The rules by which a point is believed or not: each gives its reason, or nothing."""

from __future__ import annotations

from math import ceil, sqrt

from loadtests.bench.kinds import Kind
from loadtests.record import Point

MAX_EFFICIENCY = 1.02
MAX_GENERATOR_CPU = 0.85
MAX_BACKEND_CPU = 0.85
MAX_OF_CEILING = 0.8  # of what the generator can do
MIN_REQUESTS = 20
MAX_LAG_MS = 5.0
# Timers and clocks: what a wait may seem shorter than it was.
SHORTEST_WAIT = 0.98
# Little's law: what may be missing, besides what the window's ends cut off.
LITTLE = 0.03
# What a client may repeat, of its calls: where it does it for more, the load is not the users'.
REPEATED = 0.01
WINDOWS_PER_REQUEST = 10  # so many mean response times a window must have
FEWEST_FOR_LITTLE = 50


def too_efficient(point: Point, kind: Kind) -> str:
    """Nobody can do more than arithmetic allows."""
    if kind.waits and point.efficiency is not None and point.efficiency > MAX_EFFICIENCY:
        return f"efficiency {point.efficiency:.3f} is above {MAX_EFFICIENCY}: the wait was skipped"
    return ""


def too_quick(point: Point, kind: Kind) -> str:
    """No answer can be there before the backend's."""
    if kind.calls and point.p50_ms is not None:
        wait_ms = 1000 * point.delay_s * max(1, kind.waits)
        if point.p50_ms < SHORTEST_WAIT * wait_ms:
            return f"p50 {point.p50_ms:g} ms is below {wait_ms:g}: the wait was skipped"
    return ""


def failures(point: Point, kind: Kind) -> str:
    """A few may fail."""
    if point.failures <= kind.tolerated * point.requests:
        return ""
    kinds = ", ".join(f"{times} {kind}" for kind, times in point.failure_kinds.items())
    return f"{point.failures} of {point.requests} requests failed ({kinds})"


def stray_calls(point: Point, kind: Kind) -> str:
    """The backend has seen each request, but for one of each user at either end of the window.

    Where there are no users, but for those that were in flight at the ends. A client may
    have repeated a few calls.
    """
    expected, cut = kind.calls * point.requests, point.users
    if kind.arriving:
        cut = point.unfinished + ceil(2 * (point.in_flight or 0))
    stray = point.backend_calls - expected
    if -kind.calls * cut <= stray <= kind.calls * cut + REPEATED * expected:
        return ""
    each = f" of {kind.calls} calls each" if kind.calls > 1 else ""
    return f"the backend received {point.backend_calls} calls for {point.requests} requests{each}"


def connections(point: Point, kind: Kind) -> str:
    """Each user has one, and keeps it unless a request fails."""
    if point.connections in (None, point.users) or not kind.steady or point.failures:
        return ""
    return f"{point.connections} connections were established for {point.users} users"


def littles_law(point: Point, kind: Kind) -> str:
    """What was in flight is the rate × the mean response time, if all of it was counted.

    It holds for a window up to what its ends cut off: requests that began before
    it count in full, those that it leaves unfinished not at all. At worst that is
    a response time of the window; where the users are spread evenly it averages
    out, as the root of their number.
    """
    if not kind.steady or point.in_flight is None or point.mean_ms is None:
        return ""
    if point.requests < FEWEST_FOR_LITTLE:
        return ""
    rate, mean_s = point.requests / point.duration_s, point.mean_ms / 1000
    if point.duration_s < WINDOWS_PER_REQUEST * max(mean_s, point.in_flight / rate):
        return ""  # too short for it: many that wait have not been answered at all
    expected = rate * mean_s
    cut = max(mean_s, (point.p99_ms or 0) / 1000) / point.duration_s
    if (point.efficiency or 0) > 0.9 and not kind.arriving:  # a line of arrivals may grow
        cut *= min(1.0, 2 / sqrt(max(1.0, point.in_flight)))
    if abs(point.in_flight - expected) <= (LITTLE + cut) * max(point.in_flight, expected):
        return ""
    return (
        f"{point.in_flight:.1f} requests were in flight, but rate × mean response time is "
        f"{expected:.1f}: not all of them were counted or timed (Little's law)"
    )


def generator_busy(point: Point, kind: Kind) -> str:
    """The generator must wait for the service, not the service for the generator."""
    busy = point.generator_cpu or 0.0
    awaited = (point.users or kind.arriving) and kind.timed  # by somebody
    if awaited and busy > MAX_GENERATOR_CPU:
        return f"the generator's core was {busy:.0%} busy"
    return ""


def dropped(point: Point, kind: Kind) -> str:
    """What never arrived cannot be slow."""
    if not point.dropped:
        return ""
    return f"{point.dropped} arrivals were dropped: as many as allowed were in flight"


def lagging(point: Point, kind: Kind) -> str:
    """What the generator sends late it must not blame on the service."""
    if point.lag_p99_ms is None or point.lag_p99_ms <= MAX_LAG_MS:
        return ""
    return f"the generator was late: start lag p99 {point.lag_p99_ms:g} ms is above {MAX_LAG_MS:g}"


def backend_busy(point: Point, kind: Kind) -> str:
    """So must the backend."""
    busy = point.backend_cpu or 0.0
    return f"the backend was {busy:.0%} busy" if busy > MAX_BACKEND_CPU else ""


def near_the_ceiling(point: Point, kind: Kind, ceiling_rps: float | None) -> str:
    """The generator must be able to do clearly more than it did."""
    rate = point.requests / point.duration_s if point.duration_s else 0.0
    if not kind.answers or ceiling_rps is None or rate <= MAX_OF_CEILING * ceiling_rps:
        return ""
    return (
        f"{rate:,.0f} requests/s are more than {MAX_OF_CEILING:.0%} of the {ceiling_rps:,.0f} "
        "that the generator can do here"
    )


def too_few(point: Point, kind: Kind) -> str:
    """Percentiles of a handful mean nothing."""
    least = fewest_requests(point, kind)
    if point.requests >= least or not kind.timed:
        return ""
    if not point.requests and point.users:
        return f"nobody was served: none of {point.users:,} users had an answer in the window"
    return f"only {point.requests} requests completed, at least {least} are needed"


def fewest_requests(point: Point, kind: Kind) -> int:
    """How many requests a point needs: 20, or what its ceiling allows less one cut at each end."""
    if not point.users and not kind.arriving:  # nobody sends any
        return 0
    if point.ceiling_rps is None:
        return MIN_REQUESTS
    possible = int(point.ceiling_rps * point.duration_s + 1e-9)
    return max(1, min(MIN_REQUESTS, possible - 2))


RULES = (
    *(too_efficient, too_quick, failures, stray_calls, connections, littles_law),
    *(dropped, lagging, generator_busy, backend_busy, too_few),
)
