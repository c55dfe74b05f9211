"""The output of a bench while it measures, with the time left: a line a point, or a live table."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile
from loadtests.catalog import Service
from loadtests.record import BOUNDS, Point

if TYPE_CHECKING:
    from loadtests.bench.board import Board

SERVICE_START_S = 4.5  # to start, to get ready, and to stop, about


def _point_s(profile: Profile, model: str) -> float:
    turn_s = profile.turn_s(model) + len(profile.starts(model)) * SERVICE_START_S
    return turn_s / len(profile.steps(model))


class Progress:
    """Counts the points of a run, and judges the time left by how long its profiles take."""

    def __init__(self, parts: list[Part]) -> None:
        self.total = sum(part.points() for part in parts)
        self.done = 0
        self._expected_s: dict[tuple[str, str], float] = {}
        self._left_s = 0.0
        # Each profile is measured without a service first.
        self._straight_s = {p.profile.name: p.profile.straight_s() for p in parts if p.services}
        self._left_s += sum(self._straight_s.values())
        for part in parts:
            for service in part.services:
                expected_s = _point_s(part.profile, service.model)
                self._expected_s[part.profile.name, service.label] = expected_s
                self._left_s += part.points_of(service) * expected_s
        self._parts = parts
        self._points: list[Point] = []
        self._turn: tuple[Part, Service] | None = None
        self._board = _board()

    def begin(self, part: Part, service: Service) -> None:
        """A service's turn begins; what was there before stays on the screen."""
        self._turn = (part, service)
        self._draw()

    def show(self, point: Point) -> None:
        """Show one finished point."""
        self.done += 1
        self._points.append(point)
        self._left_s -= self._expected_s[point.profile, point.service]
        self._left_s -= self._straight_s.pop(point.profile, 0.0)
        if self._board:
            self._board.done(point)
            self._draw()
        else:
            place = f"[{self.done:{len(str(self.total))}}/{self.total}, {self.left}]"
            print(f"{place} {_line(point)}", flush=True)
        # Only of one that died: a tail of those that go on says little.
        log = point.log_tail.splitlines()[-1:] if not point.duration_s else []
        for reason in point.invalid_because:
            where = f"{point.service}, {point.scenario}: " if self._board else ""
            print(f"    INVALID: {where}{': '.join([reason, *log])}", flush=True)

    def end(self) -> None:
        """Nothing moves any more."""
        if self._board:
            self._board.end()

    def result(self) -> None:
        """Print the table of all points, unless it is on the screen already."""
        if not self._board and self._points:
            from loadtests.bench.board import tables

            print(tables(self._parts, self._points), end="")

    @property
    def left(self) -> str:
        """The time left: `4:05 left`."""
        return f"{minutes(self._left_s)} left"

    def _draw(self) -> None:
        if self._board and self._turn:
            part, service = self._turn
            place = f"{self.left}, {self.done} of {self.total} points"
            expected_s = self._expected_s[part.profile.name, service.label]
            self._board.begin(part, service.label, place, expected_s)


def watched() -> bool:
    """True where a person looks on: a terminal that can draw, and no CI."""
    return sys.stdout.isatty() and not os.environ.get("CI") and os.environ.get("TERM") != "dumb"


def _board() -> Board | None:
    if not watched():
        return None
    from loadtests.bench.board import Board

    return Board()


def _line(point: Point) -> str:
    waiting = f"{point.unfinished} waiting" if point.unfinished else "at rest"
    outcome = waiting if point.valid else "failed"
    if point.requests:
        share = "" if point.efficiency is None else f"{point.efficiency:.1%} of the limit"
        outcome = f"{point.rps:8.1f}/s {share:19}"
    p50_ms, p99_ms = point.figure("p50_ms"), point.figure("p99_ms")
    if p50_ms is not None:
        outcome += f"   p50 {p50_ms:.0f} ms"
    if p99_ms is not None:
        outcome += f" p99 {p99_ms:.0f}"
    if point.bound:
        outcome += f"   bound by {BOUNDS[point.bound]}"
    if point.starved:
        outcome += "   starved" + (f": {point.served} users served" if point.served else "")
    return f"round {point.round}  {point.service:18} {point.scenario:36} {outcome}"


def minutes(seconds: float) -> str:
    """`4:05` for 245 seconds."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
