"""What a point can reach by arithmetic, and whether it can be believed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from loadtests.bench import rules
from loadtests.bench.kinds import Kind, Step
from loadtests.record import Point


def set_ceiling(point: Point, info: dict[str, Any], kind: Kind, step: Step) -> None:
    """Fill in `ceiling_rps`, `binding` and `efficiency` from what the service's `/info` says.

    No more requests can wait at once than there are users or slots of the
    service, and each waits for the delays on its critical path; no more calls
    than connections to the backend, and each waits for one. Where requests are
    sent at a rate that is the ceiling; where neither is so there is none.
    """
    if kind.waits:
        request_s, call_s = point.delay_s * kind.waits, point.delay_s * kind.calls
        limits = {
            "users": point.users / request_s,
            "slots": info["slots"] / request_s,
            "client_pool": info["client_pool"] * info["workers"] / call_s,
        }
        point.binding = min(limits, key=lambda name: limits[name])
        point.ceiling_rps = round(limits[point.binding], 3)
    elif asked := step.deliveries_rps or step.rate_rps:
        point.binding, point.ceiling_rps = "rate", asked
    if point.ceiling_rps:
        point.efficiency = round(point.rps / point.ceiling_rps, 4)


def judge(
    point: Point,
    kind: Kind,
    problems: Iterable[str] = (),
    instruments: dict[str, float | None] | None = None,
) -> None:
    """Fill in `valid` and `invalid_because`.

    `problems` are what the generator saw itself, `instruments` those of the run.
    """
    ceiling_rps = instruments["generator_ceiling_rps"] if instruments else None
    found = [*problems, *(rule(point, kind) for rule in rules.RULES)]
    found.append(rules.near_the_ceiling(point, kind, ceiling_rps))
    point.invalid_because = [reason for reason in found if reason]
    point.valid = not point.invalid_because
