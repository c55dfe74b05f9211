"""Runs that were judged by older rules, judged anew: the points keep what was measured."""

from __future__ import annotations

from typing import Any

from loadtests.bench.rules import VERSION
from loadtests.bench.verdict import judge
from loadtests.record import Point, Run, summarise
from loadtests.workloads import KINDS


def rejudge(run: Run) -> int:
    """Judge all points by the rules of this version; how many of them changed."""
    changed = 0
    for point in run.points:
        before = _verdict(point)
        if point.duration_s:  # else nothing was measured, and the reason stands
            _judge(point, run)
        changed += _verdict(point) != before
    run.rules = VERSION
    run.summary = summarise(run.points)
    return changed


def _judge(point: Point, run: Run) -> None:
    """Older runs do not tell what the generator saw from what a rule found.

    Where no rule explains any more why a point of theirs was invalid, it stays so.
    """
    valid, because = point.valid, point.invalid_because
    kind = KINDS[run.workloads[point.profile]["kind"]]
    judge(point, kind, run.services.get(point.service), run.instruments)
    explained = valid or not point.valid or point.starved or point.bound
    if point.problems is None and not explained:
        point.valid, point.invalid_because = False, because


def _verdict(point: Point) -> tuple[Any, ...]:
    return point.valid, point.starved, point.bound, tuple(point.invalid_because)
