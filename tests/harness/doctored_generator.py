"""The bench's generator with a fault on command.

    python doctored_generator.py FAULT PLAN

`herd` (all users begin at once), `hides` (failures are not counted), `retries` (a
failed request is sent again, and nobody is told), `tires` (has no CPU to spare at
more than 35 requests/s, and sees nobody else), `disturbed` (others use its core at more than that).
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from loadtests.load import generator, users
from loadtests.load.connection import Body, Connection
from loadtests.load.failure import RequestFailed
from loadtests.load.http_load import HttpLoad
from loadtests.workloads.capacity import load as capacity

FAULT = sys.argv.pop(1)
TIRING_RPS = 35.0
count, in_turn, watch = HttpLoad.count, Connection.exchange_in_turn, capacity.Load.watch


def count_successes(self: HttpLoad, name: str, *about: Any) -> None:
    failure = about[2]
    if failure is None:
        count(self, name, *about)


def exchange_at_last(
    self: Connection, request: bytes, answered: Callable[[int, Body], bytes | None]
) -> None:
    last = request

    def remembered(status: int, body: Body) -> bytes | None:
        nonlocal last
        following = answered(status, body)
        last = following or last
        return following

    while True:
        try:
            return in_turn(self, last, remembered)
        except RequestFailed:
            continue


def without_cpu_to_spare(self: capacity.Load, seconds: float) -> None:
    watch(self, seconds)
    if (capacity.ArrivalUser.rate_rps or 0.0) > TIRING_RPS:
        self.busy = 0.97


def with_others_beside(self: capacity.Load) -> str:
    too_much = (capacity.ArrivalUser.rate_rps or 0.0) > TIRING_RPS
    return "other processes used 50% of the load's core" if too_much else ""


match FAULT:
    case "herd":
        users.GOLDEN_RATIO = 0.0
    case "hides":
        HttpLoad.count = count_successes  # type: ignore[method-assign,assignment]
    case "retries":
        Connection.exchange_in_turn = exchange_at_last  # type: ignore[method-assign]
    case "tires":
        capacity.Load.look = lambda self: None  # type: ignore[method-assign]
        capacity.Load.watch = without_cpu_to_spare  # type: ignore[method-assign]
    case "disturbed":
        capacity.AGAIN_S = 3.0
        capacity.Load.disturbance = with_others_beside  # type: ignore[method-assign]
generator.main()
