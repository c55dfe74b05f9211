"""The bench's generator with a fault on command.

    python doctored_generator.py FAULT PLAN

`herd` (all users begin at once), `hides` (failures are not counted), `retries` (a
failed request is sent again, and nobody is told).
"""

from __future__ import annotations

import sys
from typing import Any

from loadtests.load import generator, users
from loadtests.load.connection import Connection, RequestFailed
from loadtests.load.workloads.http import HttpLoad

FAULT = sys.argv.pop(1)
count, exchange = HttpLoad._count, Connection.exchange


def count_successes(self: HttpLoad, exception: object = None, **about: Any) -> None:
    if exception is None:
        count(self, **about)


def exchange_at_last(self: Connection, request: bytes) -> tuple[int, bytes | bytearray]:
    while True:
        try:
            return exchange(self, request)
        except RequestFailed:
            continue


match FAULT:
    case "herd":
        users.GOLDEN_RATIO = 0.0
    case "hides":
        HttpLoad._count = count_successes  # type: ignore[method-assign,assignment]
    case "retries":
        Connection.exchange = exchange_at_last  # type: ignore[method-assign]
generator.main()
