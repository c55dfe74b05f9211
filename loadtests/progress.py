"""What `make bench` prints while it measures: a line a point, with the time left."""

from __future__ import annotations

import time

from loadtests.record import Point


class Progress:
    """Counts the points of a run; the time left is judged by those that are done."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.done = 0
        self.started = time.monotonic()

    def show(self, point: Point) -> None:
        """Print one finished point."""
        self.done += 1
        left_s = (time.monotonic() - self.started) / self.done * (self.total - self.done)
        if point.requests:
            outcome = (
                f"{point.rps:8.1f}/s {point.efficiency:6.1%} of the limit"
                f"   p50 {point.p50_ms:.0f} p99 {point.p99_ms:.0f} ms"
            )
        else:
            outcome = "failed"
        print(
            f"[{self.done:{len(str(self.total))}}/{self.total}, {minutes(left_s)} left] "
            f"round {point.round}  {point.service:18} {point.users:5} users  {outcome}",
            flush=True,
        )
        for reason in point.invalid_because:
            print(f"    INVALID: {reason}", flush=True)


def minutes(seconds: float) -> str:
    """`4:05` for 245 seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
