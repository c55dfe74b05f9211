"""Where the figures of a point come from: the service alone, or something that stood in its way.

A service that leaves users unserved is starved: it answered so many requests a second, and that
is a result, but the response times are those of the users that were in luck. A figure is bound
where the harness set it and not the service: its own is then at least that.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any

from loadtests.bench import rules
from loadtests.bench.surroundings import load_cpu
from loadtests.record import Point
from loadtests.workloads.kind import Kind

# Of what slots or connections allow by arithmetic: who comes so near may be held up by them.
REACHED = 0.9
ASKED = 0.95  # as much, of a rate of arrivals
# Of the arrivals of a window, so many may be missing from its answers without a reason.
UNANSWERED = 0.01
SIGMAS = 3  # so many standard deviations of Poisson's are chance


def starved(point: Point, kind: Kind) -> bool:
    """Whether the service left users, or requests that arrived, unserved in the window.

    Closed: a user had no right answer in it, or none at all before it. Open: at its close more
    was unanswered than is in flight where answers keep up, that is rate × mean response time.
    """
    if not kind.steady or point.bound == "generator":
        return False
    return _users_left(point) if point.users else _arrivals_left(point)


def _users_left(point: Point) -> bool:
    if point.served is not None and point.served < point.users:
        return True
    if point.unanswered is not None:
        return point.unanswered > 0
    # Older runs have no such number, but a time only where all had had an answer.
    return point.in_flight is not None and point.slowest_first_ms is None


def _arrivals_left(point: Point) -> bool:
    if point.mean_ms is None:  # nothing was answered, or an older run does not say
        return not point.requests and point.unfinished > 0
    answered = point.requests - point.failure_kinds.get(rules.TIMEOUT, 0)
    explained = answered / point.duration_s * point.mean_ms / 1000
    chance = SIGMAS * sqrt(point.unfinished)
    rate_rps = point.rate_rps or point.capacity_rps or point.rps
    arrived = point.due if point.due is not None else rate_rps * point.duration_s
    left = point.unfinished - explained - chance + point.requests - answered
    return left > UNANSWERED * arrived


def bound(
    point: Point, kind: Kind, about: Mapping[str, Any], ceiling_rps: float | None = None
) -> str:
    """The limit that set the figure in the service's place; empty where none did.

    "generator", "ports" or "descriptors" of the load; "cores" that it shares with a service which
    could have filled them; as many "users" as there are; "others" that disturbed a search, "time"
    or "windows" where it had no more of them; or "slots" or "client_pool" where the service has as
    many as CONCURRENCY says: those that its stack brings are its own, and `about`, its
    description in run.json, has them as its `limit`. `ceiling_rps` is the most that the
    generator can do.
    """
    if not kind.steady:
        return ""
    if rules.generator_busy(point, kind) or _near_the_ceiling(point, ceiling_rps):
        return "generator"
    if _wants_more_cores(point):
        return "cores"
    if point.capacity_rps and point.failed_at_rps is None:
        return point.search_ended or "generator"  # which older runs do not tell from the others
    if point.failure_kinds.get("ports"):
        return "ports"
    if point.dropped or point.failure_kinds.get("descriptors"):
        return "descriptors"
    return _set_by_the_harness(point, kind, about)


def _near_the_ceiling(point: Point, ceiling_rps: float | None) -> bool:
    """The generator must be able to do clearly more than it did."""
    rate = point.requests / point.duration_s if point.duration_s else 0.0
    return ceiling_rps is not None and rate > rules.MAX_OF_CEILING * ceiling_rps


def _wants_more_cores(point: Point) -> bool:
    """Whether service and load are on the same cores, and these too few for both."""
    wanted = (point.workers or 1) + load_cpu(point)
    return point.shared_cores is not None and wanted > point.shared_cores


def _set_by_the_harness(point: Point, kind: Kind, about: Mapping[str, Any]) -> str:
    info = about.get("info") or {}
    if not info or not info["client_pool"] or about.get("limit") or not kind.calls or kind.slotted:
        return ""
    many = {"slots": info["slots"], "client_pool": info["client_pool"] * info["workers"]}
    given = [name for name in many if many[name] == info["concurrency"] * info["workers"]]
    if point.users:
        reached = (point.efficiency or 0.0) >= REACHED
        if kind.spread and reached and point.binding == "users":  # with more it may do more
            return "users"
        return point.binding if point.binding in given and reached else ""
    asked = point.failed_at_rps or point.capacity_rps or point.rate_rps or 0.0
    return next((n for n in given if asked * point.delay_s >= ASKED * many[n]), "")
