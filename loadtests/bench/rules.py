"""The rules by which a point is believed or not: each gives its reason, or nothing.

Their VERSION is in run.json; points judged by an older one are judged anew by `make report`
(rejudge.py). By limits.py it is known before whether a point is starved or bound.
"""

from __future__ import annotations

from math import ceil, sqrt

from loadtests.bench.surroundings import load_cpu
from loadtests.load import histogram
from loadtests.record import Point
from loadtests.workloads.kind import Kind

VERSION = 4  # of rules without a number it is 1
MAX_EFFICIENCY = 1.02
MAX_GENERATOR_CPU = 0.85
MAX_BACKEND_CPU = 0.85
MAX_OF_CEILING = 0.8  # of what the generator can do
MIN_REQUESTS = 20
MAX_LAG_MS = 5.0
MAX_LAG_OF_CALLERS_MS = 50.0  # who wait for a second and leave
# Timers and clocks: what a wait may seem shorter than it was.
SHORTEST_WAIT = 0.98
# Little's law: what may be missing, besides what the window's ends cut off.
LITTLE = 0.03
SAMPLE_S = 0.01  # how often it is looked how many requests are in flight, on average
SIGMAS = 3  # so many standard errors a mean of samples may be off
# The share of calls that a client may repeat: beyond it the load is not the users'.
REPEATED = 0.01
# Of the requests so many may have their call outside of the window: not as many as there are,
# so that a second call for each shows.
STRAY = 0.9
TIMEOUT = "timeout"  # the kind of failure of a request that nobody answered in time
# The kinds of failures that a service which is asked too much may answer with, or not answer.
OVERLOADED = (TIMEOUT, "refused", "reset", "bad status")


def too_efficient(point: Point, kind: Kind) -> str:
    """Nobody can do more than arithmetic allows."""
    if point.binding == "cpu":  # how long a burst takes is not known that well
        return ""
    if kind.waits and point.efficiency is not None and point.efficiency > MAX_EFFICIENCY:
        return f"efficiency {point.efficiency:.3f} is above {MAX_EFFICIENCY}: the wait was skipped"
    return ""


def too_quick(point: Point, kind: Kind) -> str:
    """No answer can be there before the backend's."""
    if kind.calls and not kind.drawn and point.p50_ms is not None:
        wait_ms = 1000 * point.delay_s * max(1, kind.waits)
        if point.p50_ms < SHORTEST_WAIT * wait_ms:
            return f"p50 {point.p50_ms:g} ms is below {wait_ms:g}: the wait was skipped"
    return ""


def failures(point: Point, kind: Kind) -> str:
    """A few may fail; where users are left unserved, those that gave up are some of them.

    Of callers that leave an overloaded service on purpose all that it fails at is a result.
    """
    if kind.faulty:  # on purpose
        return ""
    own = OVERLOADED if kind.gives_up else (TIMEOUT,) if point.starved else ()
    late = sum(point.failure_kinds.get(name, 0) for name in own)
    if point.failures - late <= kind.tolerated * point.requests:
        return ""
    kinds = ", ".join(f"{times} {kind}" for kind, times in point.failure_kinds.items())
    return f"{point.failures} of {point.requests} requests failed ({kinds})"


def stray_calls(point: Point, kind: Kind, slots: int | None) -> str:
    """The backend has seen each request, but for those that an end of the window cut off.

    Those are at most one of each user, or what was in flight at the ends where requests arrive;
    no more than the service has `slots`; and fewer than there are requests, so that a service
    that calls twice for each is found out. In a window that leaves users unserved many calls
    may begin and few requests end: there only the slots tell. A client may have repeated a few.
    Of a fault the calls tell nothing: it keeps them away, or has them sent again. Nor do those of
    callers that gave up, which may never have been made, or several times.
    """
    if kind.faulty or kind.gives_up:
        return ""
    expected, cut = kind.calls * point.requests, point.users
    if kind.arriving:
        cut = point.unfinished + ceil(2 * (point.in_flight or 0))
    if slots and kind.calls == 1:  # the calls of several requests may take turns in one slot
        cut = min(cut, 2 * slots if kind.arriving else slots)
    if not point.starved:
        cut = min(cut, max(1, int(STRAY * point.requests)))
    stray = point.backend_calls - expected
    if -kind.calls * cut <= stray <= kind.calls * cut + REPEATED * expected:
        return ""
    each = f" of {kind.calls} calls each" if kind.calls > 1 else ""
    return f"the backend received {point.backend_calls} calls for {point.requests} requests{each}"


def connections(point: Point, kind: Kind) -> str:
    """Each user has one, and keeps it unless a request fails, or the generator has no time."""
    if point.connections in (None, point.users) or not kind.steady or point.failures or point.bound:
        return ""
    return f"{point.connections} connections were established for {point.users} users"


def littles_law(point: Point, kind: Kind) -> str:
    """The mean number in flight is the rate × the mean response time, if all was counted and timed.

    In a window of length W the response times R of what was answered in it add up to what was
    in flight over it, N × W, but for its ends. A request that began before the window counts in
    full, though a part of it, its age at the opening, lies outside; one that the window leaves
    unfinished counts nothing, though its age at the close lies inside. The two cancel on average
    and at worst, where all move in step, one of them stands alone. What is in flight at an
    instant is a long request rather than a short one: its whole length is on average ΣR² ÷ ΣR
    (R where all are alike, 2 R where they are distributed exponentially, which is taken where the
    single times are not known), and its age is no longer. So N may be off by the share
    ΣR² ÷ ΣR ÷ W, and by more where more was in flight at the close than on average. That holds
    for a window of a few requests, too: with R near W it allows anything.

    Besides, N is a mean of samples, one each SAMPLE_S, with a standard error of its own.
    A window that leaves users unserved has them in flight and not in the response times: there
    the law is one of the users that were served, and no more than of all.
    """
    if not kind.steady or point.in_flight is None or point.mean_ms is None:
        return ""
    in_flight = point.in_flight
    found = point.requests / point.duration_s * point.mean_ms / 1000
    long_s = (histogram.mean_in_flight_ms(point.histogram) or 2 * point.mean_ms) / 1000
    cut = long_s / point.duration_s * max(1.0, point.unfinished / max(in_flight, 1.0))
    idle = max(0.0, 1 - in_flight / point.users) if point.users else 1.0
    sampled = SIGMAS * sqrt(in_flight * idle * SAMPLE_S / point.duration_s)
    least = in_flight if not point.starved else min(in_flight, point.served or 0)
    share = LITTLE + cut
    if least - share * least - sampled <= found <= in_flight + share * found + sampled:
        return ""
    return (
        f"{in_flight:.1f} requests were in flight, but rate × mean response time is "
        f"{found:.1f}: not all of them were counted or timed (Little's law)"
    )


def dropped(point: Point, kind: Kind) -> str:
    """Arrivals that were dropped cannot be slow."""
    if not point.dropped or point.bound:
        return ""
    return f"{point.dropped} arrivals were dropped: as many as allowed were in flight"


def lagging(point: Point, kind: Kind) -> str:
    """Requests that the generator sends late are not the service's to answer for."""
    most_ms = MAX_LAG_OF_CALLERS_MS if kind.gives_up else MAX_LAG_MS
    if point.lag_p99_ms is None or point.lag_p99_ms <= most_ms or point.bound:
        return ""
    return f"the generator was late: start lag p99 {point.lag_p99_ms:g} ms is above {most_ms:g}"


def generator_busy(point: Point, kind: Kind) -> str:
    """The generator must wait for the service, not the service for it or the backend beside it."""
    busy = load_cpu(point)
    awaited = (point.users or kind.arriving) and kind.timed  # by somebody
    if awaited and busy > MAX_GENERATOR_CPU:
        return f"the generator's core was {busy:.0%} busy"
    return ""


def backend_busy(point: Point, kind: Kind) -> str:
    """The backend must wait for the service, too."""
    busy = 0.0 if kind.faulty else point.backend_cpu or 0.0
    return f"the backend was {busy:.0%} busy" if busy > MAX_BACKEND_CPU else ""


def too_few(point: Point, kind: Kind) -> str:
    """A rate of a handful means nothing, unless that is all that a service has to give."""
    least = fewest_requests(point, kind)
    if point.requests >= least or not kind.timed or point.starved:
        return ""
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
    *(too_efficient, too_quick, failures, connections, littles_law),
    *(dropped, lagging, backend_busy, too_few),
)
