"""Light requests beside heavy ones: does the handling of one affect the others?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.record import Point, Summary
from loadtests.report import canvas, facts, ranking, rows
from loadtests.report.canvas import Chart
from loadtests.report.cells import Cell, Column, Table, by_service, of_summary, place, spread
from loadtests.report.parts import Derived, Part, derived, valid_median
from loadtests.report.sections.section import Section

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
    return said and f"Heavy requests beside them raise the p99 of light ones {said}."


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
    """One for each load of light requests."""
    return [_table(part, pair) for pair in _pairs(part)]


def _table(part: Part, pair: Pair) -> Table:
    low = facts.lower_bounds(part.run)
    order = ranking.of_scenario(part, pair.load + TOGETHER, "p99_ms", _ranked(part, pair))

    def time(found: dict[str, Summary], field: str) -> Callable[[str], Cell]:
        return lambda name: of_summary(found.get(name), field, low)

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
    caption = f"Response times of {_said(pair)}"
    return by_service(caption, columns, _ranked(part, pair), part.state, part)


def charts(part: Part) -> list[Chart]:
    """One for each load of light requests: alone and together, p50 and p99."""
    pairs = _pairs(part)
    return [_chart(part, pair, len(pairs) == 1) for pair in pairs]


def _chart(part: Part, pair: Pair, only: bool) -> Chart:
    names = _ranked(part, pair)
    panels = {
        f"{percentile} of the light ones": [
            rows.dots(name, pair.alone.get(name), pair.together.get(name), (field, field))
            for name in names
        ]
        for percentile, field in (("p50", "p50_ms"), ("p99", "p99_ms"))
    }
    alt = "; ".join(f"{title}, ms: {rows.said(dots)}" for title, dots in panels.items())
    shown = {title: [*dots, *rows.unable(part.cannot)] for title, dots in panels.items()}
    name = f"{part.prefix}light" if only else f"{part.prefix}light-{pair.load}"
    svg = canvas.svg(
        lambda: rows.dumbbells(
            shown, ("alone", "together with heavy ones"), "response time, ms", log=True
        ),
        name,
    )
    caption = (
        f"{_said(pair)}, by themselves and while requests arrive that compute for "
        "tens of milliseconds. Where one thread does everything each of these stops all others for "
        "so long; where threads share the interpreter they slow each other down."
    )
    return Chart(name, "Light requests, alone and beside heavy ones", caption, alt, svg)


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
    ),
)
