"""Requests at a rate whose delays are drawn: `/?delay=…`, each with one of its own."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, ClassVar

import gevent

from loadtests.load import histogram
from loadtests.load.connection import Body
from loadtests.load.failure import RequestFailed
from loadtests.workloads import delays
from loadtests.workloads.open_rate import load as open_rate
from loadtests.workloads.open_rate.load import ArrivalUser

# An answer may seem this much earlier than the backend gives it: clocks, and timers.
EARLY_MS = 0.5
DRAWN = b"drawn"  # in the path, where each request has its delay
# The number in flight is steady when nearly all that arrived first has been answered.
NEARLY_ALL = 0.995


class DrawnUser(ArrivalUser):
    """A stream of requests, each with the next delay of `drawn`.

    A delay belongs to an arrival, sent or not: so the n-th is the same for every service.
    """

    drawn: ClassVar[Iterator[float]] = iter(())

    def on_start(self) -> None:
        super().on_start()
        self.pending: dict[bytes, bytes] = {}  # by its id, the delay of each without an answer
        self.opening = self.beginning.replace(DRAWN, b"%s")

    @classmethod
    def path(cls) -> bytes:
        return cls.route + DRAWN

    def next_head(self) -> bytes:
        """Only what differs, the delay."""
        return b"%.3f" % next(self.drawn)

    def message(self, head: bytes, request_id: bytes) -> bytes:
        self.pending[request_id] = head
        return super().message(self.opening % head, request_id)

    def wrong(self, status: int, body: Body, request_id: bytes) -> RequestFailed | None:
        try:
            return super().wrong(status, body, request_id)
        finally:
            del self.pending[request_id]

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        return body == b'{"delay":%s,"id":"%s"}' % (self.pending[request_id], request_id)


def own(drawn: Iterator[float]) -> Iterator[float]:
    """The delays that this process sends, of those that are drawn: no two send the same ones."""
    return islice(drawn, DrawnUser.process, None, DrawnUser.processes)


class Load(open_rate.Load):
    """A stream of arrivals, and what the service added to the delay of each."""

    user: type[ArrivalUser] = DrawnUser

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        self.added_ms: list[float] = []

    def configure(self) -> None:
        self.user.rate_rps = 0.0

    def spread_s(self, step: dict[str, Any]) -> float:
        """One stream, whose users need no time to begin."""
        return 0.0

    def prepare(self, step: dict[str, Any]) -> None:
        self.delays, self.drawn = delays.parse(step["delays"]), f"{self.seed} delays"
        DrawnUser.drawn = own(self.delays.drawn(f"{self.drawn} before"))
        super().prepare(step)

    def arrive(self, rate_rps: float, name: str) -> None:
        DrawnUser.drawn = own(self.delays.drawn(self.drawn))
        self.begin_arrivals(rate_rps, name)
        gevent.sleep(2 * self.delays.quantile(NEARLY_ALL))

    def begin(self) -> None:
        super().begin()
        self.added_ms.clear()

    def end(self) -> dict[str, Any]:
        """The figures, and those of what was added to the delays."""
        window = super().end()
        early = sum(added < -EARLY_MS for added in self.added_ms)
        if early:
            window["problems"].append(f"{early} answers came before the backend's: no wait")
        text = histogram.of(max(0.0, added) for added in self.added_ms)
        found = histogram.figures(text)
        added = {f"added_{name}": found[name] for name in ("p50_ms", "p99_ms", "p999_ms")}
        return {**window, **added, "added_histogram": text}

    def noted(
        self, response_time_ms: float | None, failure: RequestFailed | None, context: dict[str, Any]
    ) -> None:
        super().noted(response_time_ms, failure, context)
        if response_time_ms is not None and failure is None:
            self.added_ms.append(response_time_ms - 1000 * float(context["head"]))
