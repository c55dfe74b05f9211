"""The arithmetic limit of a point, and whether it can be believed."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import Any

from loadtests.bench import limits, rules, surroundings
from loadtests.record import Point
from loadtests.workloads.kind import Kind, Step


def set_ceiling(
    point: Point,
    info: dict[str, Any],
    kind: Kind,
    step: Step,
    round_trips: Mapping[str, Mapping[str, float]] | None = None,
) -> None:
    """Fill in `ceiling_rps`, `binding` and `efficiency` from what the service's `/info` says.

    No more requests can wait at once than there are users or slots of the
    service, and each waits for the delays on its critical path; no more calls
    than connections to the backend, and each waits for one; no more computed than a core
    has time for. Between machines each of them takes a round trip more, at least the shortest
    that was seen. Where requests are sent at a rate that is the ceiling; where neither is so
    there is none.
    """
    if kind.waits:
        to_service_s, to_backend_s = (
            (round_trips or {}).get(name, {}).get("least_ms", 0.0) / 1000
            for name in ("load_service", "service_backend")
        )
        wait_s = point.delay_s + to_backend_s
        request_s, call_s = wait_s * kind.waits, wait_s * kind.calls
        limits = {
            "users": point.users / (request_s + to_service_s),
            "slots": (info["slots"] or inf) / request_s,
            "client_pool": (info["client_pool"] or inf) * info["workers"] / call_s,
        }
        if step.burst_s:
            limits["cpu"] = 1 / step.burst_s
        point.binding = min(limits, key=lambda name: limits[name])
        point.ceiling_rps = round(limits[point.binding], 3)
    elif asked := step.deliveries_rps or step.rate_rps:
        point.binding, point.ceiling_rps = "rate", asked
    if point.ceiling_rps:
        point.efficiency = round(point.rps / point.ceiling_rps, 4)


def judge(
    point: Point,
    kind: Kind,
    about: Mapping[str, Any] | None = None,
    instruments: Mapping[str, Any] | None = None,
) -> None:
    """Fill in `bound`, `starved`, `valid` and `invalid_because`.

    `about` is the description of the service in run.json, `instruments` those of the run. What
    the generator saw itself is in the point's `problems`.
    """
    about = about or {}
    ceiling_rps = instruments["generator_ceiling_rps"] if instruments and kind.answers else None
    processes = point.generator_processes
    if any("host" in process for process in processes):
        ceiling_rps = None  # nobody measured it there
    elif ceiling_rps and processes:  # it is of one process, on one core
        ceiling_rps *= len({process["core"] for process in processes})
    point.bound = limits.bound(point, kind, about, ceiling_rps)
    point.starved = limits.starved(point, kind)
    info = about.get("info") or {}
    slots = info.get("slots")
    if slots and point.workers:  # the answer of /info is that of the first number of them
        slots = slots // info["workers"] * point.workers
    all_rules = (*rules.RULES, *surroundings.RULES)
    found = [*(point.problems or []), *(rule(point, kind) for rule in all_rules)]
    found.append(rules.stray_calls(point, kind, slots))
    if about.get("python", "").endswith("t") and info.get("gil"):
        found.append("an extension module turned the GIL on again")
    if not point.bound:
        found.append(rules.generator_busy(point, kind))
    point.invalid_because = [reason for reason in found if reason]
    point.valid = not point.invalid_because
