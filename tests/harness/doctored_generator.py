"""The bench's generator with a fault on command.

    python doctored_generator.py FAULT PLAN

`herd` (all users begin at once), `hides` (failures are not counted), `retries` (a
failed request is sent again, and nobody is told), `tires` (has no CPU to spare at
more than 35 requests/s).
"""

from __future__ import annotations

import sys
from typing import Any

from loadtests.load import generator, users
from loadtests.load.connection import Connection, RequestFailed
from loadtests.load.workloads import capacity
from loadtests.load.workloads.http import HttpLoad

FAULT = sys.argv.pop(1)
TIRING_RPS = 35.0
count, exchange, because = HttpLoad._count, Connection.exchange, capacity.Load.because


def count_successes(self: HttpLoad, exception: object = None, **about: Any) -> None:
    if exception is None:
        count(self, **about)


def exchange_at_last(self: Connection, request: bytes) -> tuple[int, bytes | bytearray]:
    while True:
        try:
            return exchange(self, request)
        except RequestFailed:
            continue


def without_cpu_to_spare(self: capacity.Load, rate_rps: float, figures: dict[str, Any]) -> str:
    if "generator_cpu" in figures and rate_rps > TIRING_RPS:
        figures |= {"generator_cpu": 0.97, "own_cpu": 0.8}
    return because(self, rate_rps, figures)


match FAULT:
    case "herd":
        users.GOLDEN_RATIO = 0.0
    case "hides":
        HttpLoad._count = count_successes  # type: ignore[method-assign,assignment]
    case "retries":
        Connection.exchange = exchange_at_last  # type: ignore[method-assign]
    case "tires":
        capacity.Load.because = without_cpu_to_spare  # type: ignore[method-assign]
generator.main()
