"""The highest rate that each service sustains, and the one it failed at."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

from loadtests.record import Point, Spread, Summary
from loadtests.report.charts import bars
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import PERFECT_TOLD, Chart
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Part, valid_median
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables import controlled
from loadtests.report.tables.cells import (
    Column,
    Table,
    by_summary,
    place,
    shown,
    spread,
    text,
)
from loadtests.report.tables.perfect import with_perfect


def _load(part: Part) -> str:
    return f"{facts.seconds(float(part.settings['delay_s']))} backend"


def _limit(part: Part) -> str:
    limit_ms = 1000 * float(part.settings["delay_s"]) + float(part.settings["limit_ms"])
    return f"{limit_ms:g} ms"


def of_services(part: Part) -> dict[str, Summary]:
    """The summary of each service."""
    return {row.service: row for row in part.run.summary}


def _ranked(part: Part) -> list[str]:
    """The most first."""
    found = of_services(part)

    def rank(name: str) -> float | None:
        rps = valid_median(found.get(name), "capacity_rps")
        return None if rps is None else -rps

    return part.services(rank)


def _points(part: Part, service: str) -> list[Point]:
    """The points of a service that have a capacity: the valid ones, or all where none is."""
    points = [point for turn in part.rounds(service) for point in turn if point.capacity_rps]
    return [point for point in points if point.valid] or points


def at_least(part: Part, service: str) -> str:
    """A sign where another limit than the service's came first."""
    row = of_services(part).get(service)
    return facts.at_least(row, "capacity_rps") if row else ""


def _ranking(part: Part) -> Ranking:
    scenario = next(iter(part.scenarios()), "")
    return ranking.of_scenario(part, scenario, "capacity_rps", _ranked(part))


def finding(part: Part) -> str:
    """The services that sustain the most and the least."""
    found, order = of_services(part), _ranking(part)

    def median(name: str) -> float | None:
        return valid_median(found[name], "capacity_rps")

    values = {
        name: f"{at_least(part, name)}{facts.number(median(name))} requests/s"
        for name in order.names
    }
    said = ranking.contrast(order, values, "the most", "the least")
    return said and (f"Sustained with a p99 within {_limit(part)}, before a {_load(part)}: {said}.")


def not_told_apart(part: Part) -> str:
    """The stock services of which no two can be told apart; empty where they can."""
    order = _ranking(part)
    stock = [name for name in order.names if name not in part.marks]
    tied = all(order.tied(one, other) for one, other in combinations(stock, 2))
    if len(stock) < 2 or not tied:
        return ""
    return f"In what a core carries {facts.joined(sorted(stock))} cannot be told apart."


def tables(part: Part) -> list[Table]:
    """One row a service."""
    order = _ranking(part)
    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("capacity", "requests/s", lambda row: shown(row, "capacity_rps")),
        ("failed at", "requests/s", lambda row: spread(_failed_at(part, row))),
        ("because", "", lambda row: text(_because(part, row.service) or facts.NOTHING)),
        ("p99 at capacity", "ms", lambda row: shown(row, "p99_ms")),
        ("CPU per request there", "ms", lambda row: spread(row.cpu_ms_per_request)),
    ]
    caption = f"Capacity: the highest rate sustained with a p99 within {_limit(part)}"
    made = by_summary(caption, columns, _ranked(part), of_services(part), part)
    scenario = next(iter(part.scenarios()), "")
    straight = {
        "capacity": (scenario, "capacity_rps"),
        "failed at": (scenario, "failed_at_rps"),
        "p99 at capacity": (scenario, "p99_ms"),
    }
    found = controlled.of_scenario(part, "capacity", scenario, "capacity_rps", order)
    return [with_perfect(made, part, straight), *controlled.tables(part, [found])]


def _because(part: Part, service: str) -> str:
    """Why the lowest rate that failed did, in the round whose capacity is the median.

    Where something else than the service has set a capacity, that.
    """
    if at_least(part, service) and (bounds := facts.bounds(_points(part, service))):
        return f"set by {bounds}"
    found = _middle(part, service)
    return _failure(found) if found else ""


def _failed_at(part: Part, row: Summary) -> Spread | None:
    """The lowest rates that failed; in the middle that of the round whose capacity is the median.

    The median of them all could be below that capacity: a round may have none.
    """
    found = _middle(part, row.service)
    if row.failed_at_rps is None or found is None or found.failed_at_rps is None:
        return None
    return replace(row.failed_at_rps, median=found.failed_at_rps)


def _middle(part: Part, service: str) -> Point | None:
    """The round whose capacity is the median."""
    points = sorted(_points(part, service), key=lambda point: point.capacity_rps or 0.0)
    return points[(len(points) - 1) // 2] if points else None


def _failure(point: Point) -> str:
    """Of the last try at the lowest rate that failed; one below may have failed by bad luck."""
    failed = [probe for probe in point.probes if not probe["sustained"]]
    above = [probe for probe in failed if probe["rate_rps"] > (point.capacity_rps or 0.0)]
    lowest = min((probe["rate_rps"] for probe in above), default=None)
    because = [str(probe["because"]) for probe in above if probe["rate_rps"] == lowest]
    return because[-1] if because else ""


def charts(part: Part) -> list[Chart]:
    """A bar for each service, with a tick at the rate it failed at."""
    if not of_services(part):
        return []
    drawn = capacities(part)
    straight = perfect(part)
    axis = Axis("capacity, requests/s", perfect=straight, mark="failed at")
    caption = (
        f"Requests arrive at a rate, with no regard to the answers; before a {_load(part)}. The "
        f"bar ends at the highest rate that was sustained with a p99 within {_limit(part)}, the "
        "tick stands at the lowest rate that was too much: what a service can do lies between. "
        "With an arrow it can do more, and something else could not."
    ) + (PERFECT_TOLD if straight else "")
    alt = f"capacity, requests/s: {bars.said(drawn)}"
    spec = bars.chart(part, drawn, axis)
    return [Chart(f"{part.prefix}capacity", "Capacity", caption, alt, spec)]


def perfect(part: Part) -> float | None:
    """The capacity of a perfect service, where it is known."""
    found: float | None = part.perfect(next(iter(part.scenarios()), "")).get("capacity_rps")
    return found


def capacities(part: Part) -> list[Bar]:
    """The capacity of each service, the most first."""
    found = of_services(part)
    return [_bar(part, name, found.get(name)) for name in _ranked(part)]


def _bar(part: Part, name: str, row: Summary | None) -> Bar:
    if row is None:
        return Bar(name, None, "not measured")
    state = facts.state(row)
    failed_at = _failed_at(part, row)
    if failed_at is None or at_least(part, name):
        bound = facts.bounds(_points(part, name)) if row.capacity_rps else ""
        note = f", at least: set by {bound}" if bound else ""
        return Bar(name, row.capacity_rps, state, note, bound=bound)
    note = f", failed at {facts.number(failed_at.median)}"
    return Bar(name, row.capacity_rps, state, note, mark=failed_at.median)


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        (
            "capacity",
            "The highest rate of arrivals at random that was sustained for a window: what was in "
            "flight did not grow beyond noise, 99.5 % of the arrivals were answered, none failed, "
            "and 99 % of the answers came within the limit. The other figures are of that window. "
            "With ≥ where something else than the service came to its limit first.",
        ),
        ("failed at", "The lowest rate that was tried and not sustained."),
    ),
)
