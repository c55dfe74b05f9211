"""Two runs beside each other: every figure of a service and scenario, and what it became.

Where both were measured in one run they share its rounds, and what a round did to both is not in
their difference. The rounds of two runs share nothing: there the spread of a figure is that of the
residual and the round together, of each run as its block model has it (record/blocks.py). Hundreds
of figures are compared, and of equal ones 5 in 100 would be called different: so each is called so
at 5 % ÷ the number of figures (Bonferroni), and of a hundred pairs of equal runs 5 have a
difference at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import exp, log
from statistics import fmean, median

from loadtests.record import Run, Summary, blocks, noise, tails
from loadtests.record.blocks import Apart, Block
from loadtests.report.results import facts

SIDES = ("A", "B")  # what marks the services of each in a run of both


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
PSS = Figure("pss_bytes", "memory", "MiB", 1 / 2**20)
USUAL = (RPS, P99, CPU, PSS)
OF_KIND = {"capacity": (CAPACITY, CPU, PSS), "held": (PSS,)}


@dataclass(frozen=True)
class Side:
    """A figure in one of the runs: as it is read, and of each round what may be compared."""

    text: str
    rounds: dict[int, float]


@dataclass(frozen=True)
class Difference:
    """A figure of a service in a scenario of both runs, one of a `family` that is compared.

    `apart` is by how much its logarithm differs, None where no spread is known; `ratio` is that
    of the geometric means over the rounds, B ÷ A, or of the medians where one is 0; None where
    they are not compared.
    """

    service: str
    scenario: str
    figure: Figure
    sides: tuple[Side, Side]
    ratio: float | None = None
    apart: Apart | None = None
    family: int = 1

    @property
    def interval(self) -> tuple[float, float] | None:
        """The ends of that of the ratio: of all of the family together at once in 95 of 100."""
        return self.apart.ratio(blocks.FAMILY / self.family)[1:] if self.apart else None

    @property
    def within_noise(self) -> bool:
        """True if equal runs differ as much; one round tells nothing."""
        if self.ratio is None:
            return False
        if self.apart is None:
            return True
        limit = tails.t_limit(blocks.FAMILY / self.family, self.apart.degrees)
        return not self.apart.beyond(limit)

    @property
    def worse(self) -> float:
        """By how much B is worse than A, 0.2 for a fifth; 0 where it is not, or is within noise."""
        if self.ratio is None or self.within_noise:
            return 0.0
        return max(0.0, 1 - self.ratio if self.figure.more_is_better else self.ratio - 1)


def figures(run: Run, scenario: str) -> tuple[Figure, ...]:
    """The figures that are compared in a scenario."""
    profiles = (row.profile for row in run.summary if row.scenario == scenario)
    profile = next(profiles, None)
    return OF_KIND.get(run.workloads[profile]["kind"], USUAL) if profile else USUAL


def scenarios(a: Run, b: Run) -> list[str]:
    """The scenarios of both runs, in the order of A."""
    return list(dict.fromkeys(row.scenario for run in (a, b) for row in run.summary))


def differences(a: Run, b: Run, whole: Run | None = None) -> dict[str, list[list[Difference]]]:
    """The figures of each service that is in a scenario of either run, by scenario.

    `whole` is the run that both are a side of: then they share their rounds.
    """
    found = {name: list(_of_scenario(a, b, whole, name)) for name in scenarios(a, b)}
    everything = (one for rows in found.values() for row in rows for one in row)
    family = max(1, sum(one.ratio is not None for one in everything))
    return {
        name: [[replace(one, family=family) for one in row] for row in rows]
        for name, rows in found.items()
    }


def _of_scenario(a: Run, b: Run, whole: Run | None, scenario: str) -> Iterator[list[Difference]]:
    rows = [{row.service: row for row in run.summary if row.scenario == scenario} for run in (a, b)]
    again = noise.doubles(a).keys() | noise.doubles(b).keys()
    shown = figures(a if any(row.scenario == scenario for row in a.summary) else b, scenario)
    runs = [whole] if whole else [a, b]
    models = {
        figure: [noise.block(run, scenario, figure.field) for run in runs] for figure in shown
    }
    for service in sorted((rows[0].keys() | rows[1].keys()) - again):
        yield [
            _difference(
                service,
                scenario,
                figure,
                (_side(a, rows[0].get(service), figure), _side(b, rows[1].get(service), figure)),
                models[figure],
            )
            for figure in shown
        ]


def _difference(
    service: str, scenario: str, figure: Figure, sides: tuple[Side, Side], models: list[Block]
) -> Difference:
    found = Difference(service, scenario, figure, sides)
    first, second = (list(side.rounds.values()) for side in sides)
    if not first or not second or not median(first):
        return found
    ratio = median(second) / median(first)
    if not all(model.logs for model in models):
        return replace(found, ratio=ratio)
    means = [fmean(map(log, rounds)) for rounds in (first, second)]
    if len(models) == 1:
        apart = models[0].apart(*(f"{service}@{mark}" for mark in SIDES))
        return replace(found, ratio=exp(means[1] - means[0]), apart=apart)
    groups = [model.group(service) for model in models]
    spreads = [group.alone if group else None for group in groups]
    before, after = (model.values[service] for model in models)
    apart = blocks.unpaired(before, after, *spreads)
    return replace(found, ratio=exp(means[1] - means[0]), apart=apart)


def _side(run: Run, row: Summary | None, figure: Figure) -> Side:
    """Invalid figures and lower bounds are shown and not compared."""
    if row is None:
        return Side(facts.NOTHING, {})
    spread, state = getattr(row, figure.field), facts.state(row)
    if spread is None:
        return Side(state or facts.NOTHING, {})
    text = facts.number(spread.median * figure.scale)
    if state:
        return Side(f"{text} ({state})", {})
    if at_least := facts.at_least(row, figure.field):
        return Side(f"{at_least}{text}", {})
    return Side(text, noise.by_round(run, row.service, row.scenario, figure.field))
