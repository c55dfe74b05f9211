"""The significance of a difference between two services: the block model over a run.

Each figure of a scenario is a table of services and rounds (blocks.py has the model). Services
in the same state there are taken to be noisy alike: those at the limit that arithmetic sets,
those that are out of CPU, and those that are neither. A service that is measured twice under
two names (`again` in profiles.toml) is no source of the spread, it checks it: of its pairs of
figures one of twenty lies outside the interval of 95 %, and not many more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from statistics import median

from loadtests.record import Point, Run
from loadtests.record.blocks import UNKNOWN, Apart, Block
from loadtests.record.residuals import Rounds

AT_THE_LIMIT = 0.97  # of the ceiling
OUT_OF_CPU = 0.9  # of a core
ONE_IN = 0.05  # how often an interval misses what is true
# The steps in which a rate is searched.
CAPACITY_STEP = 0.05
# Of the last request in a thousand: one pause of the machine makes it, so one round tells nothing.
LAST = ("p999_ms", "added_p999_ms")
# The figures that two measurements of a service are compared in.
FIGURES = ("rps", "p99_ms", "cpu_ms_per_request", "pss_bytes")

Tied = Callable[[str, str], bool]


def state(points: list[Point]) -> str:
    """The state of a service in a scenario: "ceiling", "saturated", or ""."""
    reached = [point.efficiency for point in points if point.efficiency is not None]
    busy = [p.rps * p.cpu_ms_per_request / 1000 for p in points if p.cpu_ms_per_request]
    if reached and median(reached) >= AT_THE_LIMIT:
        return "ceiling"
    return "saturated" if busy and median(busy) >= OUT_OF_CPU else ""


def block(run: Run, scenario: str, figure: str) -> Block:
    """The model of a figure in a scenario, over the valid points."""
    of_service: dict[str, list[Point]] = {}
    for point in run.points:
        if point.valid and point.scenario == scenario and point.figure(figure) is not None:
            of_service.setdefault(point.service, []).append(point)
    values = {
        name: {point.round: float(point.figure(figure)) for point in points}
        for name, points in of_service.items()
    }
    states = {name: state(points) for name, points in of_service.items()}
    unknown = inf if figure in LAST else UNKNOWN
    return Block(values, states, _steps(of_service, figure), doubles(run), unknown)


def _steps(of_service: dict[str, list[Point]], figure: str) -> dict[str, float]:
    """How exactly a figure is known at best: a window has a whole number of requests."""
    if figure == "capacity_rps":
        return dict.fromkeys(of_service, CAPACITY_STEP)
    if figure != "rps":
        return {}
    requests = {name: median(p.requests for p in points) for name, points in of_service.items()}
    return {name: 1 / max(1.0, number) for name, number in requests.items()}


def tied(run: Run, scenario: str, figure: str) -> Tied:
    """Says of two services whether the run cannot tell them apart in a figure of a scenario."""
    return block(run, scenario, figure).tied


def tied_rounds(values: Mapping[str, Rounds]) -> Tied:
    """As `tied`, of a figure that several points give together."""
    return Block(values).tied


def within_noise(run: Run, a: str, b: str, scenario: str, figure: str) -> bool:
    """True if no difference of two services is known in a figure of a scenario."""
    return tied(run, scenario, figure)(a, b)


def by_round(run: Run, service: str, scenario: str, figure: str) -> dict[int, float]:
    """A figure of the valid points, by round."""
    return {
        point.round: value
        for point in run.points
        if (point.service, point.scenario, point.valid) == (service, scenario, True)
        and (value := point.figure(figure)) is not None
    }


def doubles(run: Run) -> dict[str, str]:
    """The names under which a service was measured again, with its own."""
    return {name: about["again_of"] for name, about in run.services.items() if "again_of" in about}


def checks(run: Run, figure: str) -> Iterator[Apart]:
    """By how much the two measurements of a service differ in a figure, in each scenario."""
    pairs = doubles(run)
    for scenario in dict.fromkeys(point.scenario for point in run.points if pairs):
        model = block(run, scenario, figure)
        found = (model.apart(once, again) for again, once in pairs.items())
        yield from (apart for apart in found if apart is not None)
