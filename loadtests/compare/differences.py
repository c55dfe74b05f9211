"""Two runs beside each other: every figure of a service and scenario, and what it became."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median

from loadtests.record import Run, Summary, noise
from loadtests.record.noise import Interval
from loadtests.report import facts


@dataclass(frozen=True)
class Figure:
    """A field of a point as it is shown: its name and unit, and which way is better."""

    field: str
    name: str
    unit: str = ""
    scale: float = 1
    more_is_better: bool = False

    @property
    def title(self) -> str:
        """The name with the unit."""
        return f"{self.name}, {self.unit}" if self.unit else self.name


RPS = Figure("rps", "requests/s", more_is_better=True)
CAPACITY = Figure("capacity_rps", "capacity", "requests/s", more_is_better=True)
P99 = Figure("p99_ms", "p99", "ms")
CPU = Figure("cpu_ms_per_request", "CPU per request", "ms")
RSS = Figure("rss_bytes", "memory", "MiB", 1 / 2**20)
PSS = Figure("pss_bytes", "memory (PSS)", "MiB", 1 / 2**20)
USUAL = (RPS, P99, CPU, RSS)
OF_KIND = {"capacity": (CAPACITY, CPU, RSS), "held": (PSS, RSS)}


@dataclass(frozen=True)
class Side:
    """A figure in one of the runs: as it is read, and of each round what may be compared."""

    text: str
    rounds: list[float]


@dataclass(frozen=True)
class Difference:
    """A figure of a service in a scenario of both runs.

    `ratio` is that of the medians, B ÷ A, None where they are not compared;
    `interval` is that of the ratio, None for a single round.
    """

    service: str
    scenario: str
    figure: Figure
    sides: tuple[Side, Side]
    ratio: float | None
    interval: Interval | None
    within_noise: bool

    @property
    def worse(self) -> float:
        """By how much B is worse than A, 0.2 for a fifth; 0 where it is not, or is within noise."""
        if self.ratio is None or self.within_noise:
            return 0.0
        return max(0.0, 1 - self.ratio if self.figure.more_is_better else self.ratio - 1)


def figures(run: Run, scenario: str) -> tuple[Figure, ...]:
    """What is compared in a scenario."""
    profiles = (row.profile for row in run.summary if row.scenario == scenario)
    profile = next(profiles, None)
    return OF_KIND.get(run.workloads[profile]["kind"], USUAL) if profile else USUAL


def scenarios(a: Run, b: Run) -> list[str]:
    """The scenarios of both runs, in the order of A."""
    return list(dict.fromkeys(row.scenario for run in (a, b) for row in run.summary))


def differences(a: Run, b: Run, scenario: str) -> Iterator[list[Difference]]:
    """The figures of each service that is in the scenario of either run."""
    rows = [{row.service: row for row in run.summary if row.scenario == scenario} for run in (a, b)]
    again = noise.doubles(a).keys() | noise.doubles(b).keys()
    shown = figures(a if any(row.scenario == scenario for row in a.summary) else b, scenario)
    floors = {figure: floor(a, b, scenario, figure.field) for figure in shown}
    for service in sorted((rows[0].keys() | rows[1].keys()) - again):
        yield [
            _difference(
                service,
                scenario,
                figure,
                (_side(a, rows[0].get(service), figure), _side(b, rows[1].get(service), figure)),
                floors[figure],
            )
            for figure in shown
        ]


def floor(a: Run, b: Run, scenario: str, field: str) -> float | None:
    """The larger noise floor of the two runs; None where neither is known."""
    profiles = {row.profile for run in (a, b) for row in run.summary if row.scenario == scenario}
    floors = [noise.floor(run, field, profile) for run in (a, b) for profile in profiles]
    return max((one for one in floors if one is not None), default=None)


def _difference(
    service: str, scenario: str, figure: Figure, sides: tuple[Side, Side], least: float | None
) -> Difference:
    first, second = (side.rounds for side in sides)
    if not first or not second or not median(first):
        return Difference(service, scenario, figure, sides, None, None, within_noise=False)
    return Difference(
        service,
        scenario,
        figure,
        sides,
        median(second) / median(first),
        noise.of_ratio(first, second),
        noise.indistinct(first, second, least),
    )


def _side(run: Run, row: Summary | None, figure: Figure) -> Side:
    """What is invalid, or a lower bound, is shown and not compared."""
    if row is None:
        return Side(facts.NOTHING, [])
    spread, state = getattr(row, figure.field), facts.state(row)
    if spread is None:
        return Side(state or facts.NOTHING, [])
    text = facts.number(spread.median * figure.scale)
    if state:
        return Side(f"{text} ({state})", [])
    if figure is P99 and (row.service, row.scenario) in facts.lower_bounds(run):
        return Side(f"≥ {text}", [])
    found = noise.by_round(run, row.service, row.scenario, figure.field)
    return Side(text, list(found.values()))
