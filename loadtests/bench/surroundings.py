"""The rules on what a service cannot help: strangers on its core, the host, a backend that is late.

Each gives its reason, or nothing, like those in `rules.py`. A figure that is None was not
to be had on the system.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from loadtests.record import Point
from loadtests.workloads.kind import Kind

# Of the service's core: a service that needs all of it does less by as much, and 5 % is what
# `make compare` may be asked to find.
MAX_STRANGERS_SERVICE = 0.05
# Of the load's: that is not full, so that what is taken there shows as lateness, which has
# rules of its own, before it costs a request.
MAX_STRANGERS_LOAD = 0.10
# Of either, as the service's: it comes in pieces of some ms, in which nobody runs at all.
MAX_STEAL = 0.05
# How late 99 % of the backend's answers may be, of the delay or of the median where that is
# longer: the response times are then right to 5 %. Where that is less than it takes to wake up
# and to read on a virtual machine, so much.
MAX_LATE, LEAST_LATE_MS = 0.05, 2.0


def load_cpu(point: Point) -> float:
    """The CPU of generator and backend, as a share of the core that they have together.

    Of the generator alone, where the backend is on another machine.
    """
    if point.backend_apart:
        return point.generator_cpu or 0.0
    return (point.generator_cpu or 0.0) + (point.backend_cpu or 0.0)


def disturbed(shares: Mapping[str, Any]) -> str:
    """The other processes or the host, if they took too much of a core."""
    return _strangers(shares) or _stolen(shares)


def strangers(point: Point, kind: Kind) -> str:
    """Other processes must leave both cores alone."""
    return _strangers(vars(point))


def stolen(point: Point, kind: Kind) -> str:
    """So must the host of a virtual machine."""
    return _stolen(vars(point))


def _strangers(shares: Mapping[str, Any]) -> str:
    found = (("service", MAX_STRANGERS_SERVICE), ("load", MAX_STRANGERS_LOAD))
    for whose, most in found:
        share = shares[f"strangers_{whose}"]
        if share is not None and share > most:
            return f"other processes used {share:.0%} of the {whose}'s core, more than {most:.0%}"
    return ""


def _stolen(shares: Mapping[str, Any]) -> str:
    for whose in ("service", "load"):
        share = shares[f"steal_{whose}"]
        if share is not None and share > MAX_STEAL:
            return f"the host took {share:.0%} of the {whose}'s core, more than {MAX_STEAL:.0%}"
    return ""


def late_backend(point: Point, kind: Kind) -> str:
    """The backend's lateness is not the service's."""
    late_ms = point.backend_late_p99_ms
    if late_ms is None or kind.stalls or point.bound:
        return ""
    most_ms = max(LEAST_LATE_MS, MAX_LATE * max(point.delay_s * 1000, point.p50_ms or 0.0))
    if late_ms <= most_ms:
        return ""
    return f"the backend was late: p99 {late_ms:g} ms is above {most_ms:.3g}"


RULES = (strangers, stolen, late_backend)
