"""Light requests beside heavy ones: does the handling of one affect the others?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from loadtests.load import histogram
from loadtests.record import Point, Summary
from loadtests.report.charts import dots
from loadtests.report.charts.bars import Axis
from loadtests.report.charts.chart import Chart
from loadtests.report.results import facts, ranking
from loadtests.report.results.facts import NOTHING
from loadtests.report.results.parts import Derived, Part, derived, valid_median
from loadtests.report.section import Section
from loadtests.report.tables import controlled
from loadtests.report.tables.cells import (
    Cell,
    Column,
    Row,
    Table,
    by_service,
    figure,
    of_summary,
    place,
    spread,
)

ALONE, TOGETHER = "-alone", "-together"


@dataclass(frozen=True)
class Pair:
    """The light requests of all services by themselves, and beside heavy ones."""

    load: str
    alone: dict[str, Summary]
    together: dict[str, Summary]


def _pairs(part: Part) -> list[Pair]:
    loads = dict.fromkeys(
        name.removesuffix(ALONE).removesuffix(TOGETHER) for name in part.scenarios()
    )
    return [Pair(load, part.rows(load + ALONE), part.rows(load + TOGETHER)) for load in loads]


def _ranked(part: Part, pair: Pair) -> list[str]:
    return part.services(lambda name: valid_median(pair.together.get(name), "p99_ms"))


def _said(pair: Pair) -> str:
    """The load in words: 50 light requests/s over 25 connections."""
    row = next(iter((pair.alone | pair.together).values()))
    return f"{row.rate_rps or 0:,g} light requests/s over {row.users:,} connections"


def finding(part: Part) -> str:
    """Whose light requests suffered the least and the most."""
    if not (pairs := _pairs(part)):
        return ""
    pair = pairs[-1]
    rises = {
        name: f"from {facts.milliseconds(before)} to {facts.milliseconds(after)}"
        for name in _ranked(part, pair)
        if (before := valid_median(pair.alone.get(name), "p99_ms"))
        and (after := valid_median(pair.together.get(name), "p99_ms"))
    }
    order = ranking.of_scenario(part, pair.load + TOGETHER, "p99_ms", rises)
    said = ranking.contrast(order, rises, "the lowest", "the highest")
    if not said:
        return ""
    pairs_said = controlled.finding(part, _measured(part, pair), "beside heavy ones")
    text = f"{pairs_said} Heavy requests beside them raise the p99 of light ones {said}.".strip()
    if loop := _perfect(part, pair):
        text += (
            " A perfect loop, which computes one heavy request at a time and needs no time for "
            f"anything else, would come to {facts.milliseconds(loop['p99_ms'])}, by arithmetic."
        )
    return text


def _measured(part: Part, pair: Pair) -> controlled.Measured:
    return controlled.of_scenario(part, "p99 of light requests", pair.load + TOGETHER, "p99_ms")


def _perfect(part: Part, pair: Pair) -> dict[str, float]:
    """A perfect loop at this load, by arithmetic; empty in older runs."""
    row = next(iter((pair.alone | pair.together).values()))
    found: dict[str, dict[str, float]] = part.settings.get("perfect_loop", {})
    return found.get(f"{row.users} users", {})


def held_up(settings: dict[str, Any], points: list[Point]) -> float | None:
    """The share of light requests that waited for half a burst or longer, beside heavy ones."""
    limit_ms = 1000 * settings["delay_s"] + settings["burst_ms"] / 2
    for point in points:
        if point.scenario.endswith(TOGETHER) and point.histogram:
            return _beyond(point.histogram, limit_ms)
    return None


@lru_cache(maxsize=500)
def _beyond(text: str, limit_ms: float) -> float:
    counts = histogram.counts(text)
    below = max((seen for time_ms, seen in counts if time_ms < limit_ms), default=0)
    return 1 - below / counts[-1][1]


def growth(field: str, load: str = "") -> Callable[[Part, str], Derived | None]:
    """By how much heavy requests multiply a figure of the light ones."""

    def figure(points: list[Point]) -> float | None:
        found = {
            ending: getattr(point, field)
            for point in points
            for ending in (ALONE, TOGETHER)
            if point.scenario.startswith(load) and point.scenario.endswith(ending)
        }
        alone, together = found.get(ALONE), found.get(TOGETHER)
        return together / alone if alone and together else None

    return lambda part, service: derived(part, service, figure)


def tables(part: Part) -> list[Table]:
    """One for each load of light requests, and one of pairs at the last."""
    pairs = _pairs(part)
    alike = controlled.tables(part, [_measured(part, pairs[-1])]) if pairs else []
    return [*(_table(part, pair) for pair in pairs), *alike]


def _table(part: Part, pair: Pair) -> Table:
    order = ranking.of_scenario(part, pair.load + TOGETHER, "p99_ms", _ranked(part, pair))

    def time(found: dict[str, Summary], field: str) -> Callable[[str], Cell]:
        return lambda name: of_summary(found.get(name), field)

    columns: list[Column[str]] = [
        ("place", "", lambda name: place(order, name)),
        ("p50 alone", "ms", time(pair.alone, "p50_ms")),
        ("p50 together", "ms", time(pair.together, "p50_ms")),
        ("p50 growth", "times", lambda name: spread(growth("p50_ms", pair.load)(part, name))),
        ("p99 alone", "ms", time(pair.alone, "p99_ms")),
        ("p99 together", "ms", time(pair.together, "p99_ms")),
        ("p99 growth", "times", lambda name: spread(growth("p99_ms", pair.load)(part, name))),
        ("heavy ones p50", "ms", time(pair.together, "heavy_p50_ms")),
    ]
    late = ""
    if burst_ms := part.settings.get("burst_ms"):
        late = f"held up by {burst_ms / 2:g} ms"
        columns.insert(-1, (late, "%", lambda name: _held_up(part, pair, name)))
    caption = f"Response times of {_said(pair)}"
    table = by_service(caption, columns, _ranked(part, pair), part.state, part)
    if loop := _perfect(part, pair):
        table.rows.append(_loop_row(table, loop, late))
    return table


def _held_up(part: Part, pair: Pair, name: str) -> Cell:
    def of(points: list[Point]) -> float | None:
        return held_up(part.settings, [p for p in points if p.scenario.startswith(pair.load)])

    return spread(derived(part, name, of), 100)


def _loop_row(table: Table, loop: dict[str, float], late: str) -> Row:
    """The perfect loop among the services: a row without a place."""
    known = {
        "service": Cell("a perfect loop, by arithmetic"),
        "p50 together": figure(loop["p50_ms"]),
        "p99 together": figure(loop["p99_ms"]),
        late: figure(loop["held_up"], 100),
    }
    return Row([known.get(title, Cell(NOTHING, number=True)) for title, _ in table.columns])


def charts(part: Part) -> list[Chart]:
    """For each load of light requests its p99 and p50, alone and together."""
    pairs = _pairs(part)
    return [
        _chart(part, pair, percentile, len(pairs) == 1)
        for pair in pairs
        for percentile in ("p99", "p50")
    ]


def _chart(part: Part, pair: Pair, percentile: str, only: bool) -> Chart:
    field = f"{percentile}_ms"
    drawn = [
        dots.of_summaries(name, pair.alone.get(name), pair.together.get(name), (field, field))
        for name in _ranked(part, pair)
    ]
    axis = Axis(f"response time {percentile} of the light ones, ms", log=True)
    spec = dots.chart(part, drawn, ("alone", "together with heavy ones"), axis)
    name = f"{part.prefix}light" if only else f"{part.prefix}light-{pair.load}"
    name += "" if percentile == "p99" else f"-{percentile}"
    caption = (
        f"{_said(pair)}, by themselves and while requests arrive that compute for "
        "tens of milliseconds. Where one thread does everything each of these stops all others for "
        "so long. CPython takes the interpreter from a thread that computes after 5 ms."
    )
    title = f"Light requests, alone and beside heavy ones: {percentile}"
    return Chart(name, title, caption, f"{axis.title}: {dots.said(drawn)}", spec)


SECTION = Section(
    finding,
    tables,
    charts,
    derived={"p50_growth": growth("p50_ms"), "p99_growth": growth("p99_ms")},
    terms=(
        (
            "alone, together",
            "The light requests by themselves, and while heavy ones arrive. p50, p90, p99 and max "
            "are those of the light ones.",
        ),
        ("growth", "The response time together ÷ that alone, round by round."),
        (
            "held up",
            "The share of light requests that took longer than the delay by half a burst or more.",
        ),
        (
            "a perfect loop",
            "One thread that takes what is there in the order in which it came, at the very "
            "instants of this run, and needs CPU for nothing but the heavy requests: arithmetic.",
        ),
        (
            "switch interval",
            "CPython takes the interpreter from a thread that computes after 5 ms: so does every "
            "service with threads here but flask-threads-bare, where it is 100 ms, longer than a "
            "heavy request.",
        ),
    ),
)
