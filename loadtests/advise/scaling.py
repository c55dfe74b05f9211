"""How several processes of a service do together, as `cores` measured it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from loadtests.advise import figure
from loadtests.advise.figure import Figure
from loadtests.advise.sources import Sources
from loadtests.report.results import scaling
from loadtests.report.results.parts import Part

Pick = Callable[[Figure], float]


@dataclass(frozen=True)
class Several:
    """So many processes answer `gain` times what one does, or `at_least` so many times.

    Each after the first one takes `further_bytes`, requests in flight included.
    """

    processes: int
    gain: Figure
    at_least: bool
    further_bytes: Figure | None


def measured(found: Sources, name: str) -> list[Several]:
    """The numbers of processes that a service was measured with, two and more; may be empty."""
    part = next(iter(found.parts("cores")), None)
    if part is None:
        return []
    numbers = sorted(number for who, number in scaling.rows(part) if who == name and number > 1)
    several: list[Several] = []
    for number in numbers:
        if one := _several(part, name, number, several[-1:]):
            several.append(one)
    return several


def _several(part: Part, name: str, number: int, before: Sequence[Several]) -> Several | None:
    """More processes never do less, and no more than so many times what one does."""
    gain = scaling.gain(part, name, number)
    if gain is None or not gain.valid:
        return None
    least = before[0].gain if before else Figure(1.0, 1.0)
    found = figure.of(gain.spread, min)
    further = scaling.further_bytes(part, name, number)
    return Several(
        number,
        Figure(
            min(number, max(found.median, least.median)), min(number, max(found.worst, least.worst))
        ),
        bool(scaling.least(part, name, number)),
        figure.of(further.spread, max) if further and further.valid else None,
    )


def together(several: Sequence[Several], processes: int, pick: Pick) -> float:
    """How many times what one does so many processes do.

    Between two measured numbers on the line between them, beyond the last in proportion; where
    nothing was measured as many times as there are processes.
    """
    before, gain = 1, 1.0
    for one in several:
        here = pick(one.gain)
        if one.processes >= processes:
            share = (processes - before) / (one.processes - before)
            return gain + (here - gain) * share
        before, gain = one.processes, here
    return gain * processes / before
