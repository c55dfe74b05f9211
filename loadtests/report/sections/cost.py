"""What a request costs at one low rate: CPU time, switches between threads, and how repeatably."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from loadtests.record import Point, Summary, noise
from loadtests.report import canvas, facts, plots, ranking, rows
from loadtests.report.canvas import Chart
from loadtests.report.cells import (
    Cell,
    Column,
    Table,
    by_summary,
    figure,
    of_summary,
    place,
    spread,
)
from loadtests.report.parts import Derived, Part, derived, valid_median
from loadtests.report.ranking import Ranking
from loadtests.report.series import Measure, Series
from loadtests.report.tables import MIB

REPEATABLE = 3.0  # percent
FEWEST_ALIKE = 3  # services, at least, of which something in common can be told
CPU = Measure(
    "cpu",
    "cpu_ms_per_request",
    "CPU per request",
    "CPU per request, ms",
    "CPU time of the service's whole process tree for each request, at a rate far below what any "
    "of them can do: nothing is in line, so this is the price of the way of waiting, and of the "
    "framework around it.",
)
KINDS = ("voluntary", "involuntary")


def switches(kind: str) -> Callable[[Part, str], Derived | None]:
    """Context switches of the process tree for each request, round by round."""

    def each(points: list[Point]) -> float | None:
        found = [
            (switched, point.requests)
            for point in points
            if (switched := getattr(point, f"{kind}_switches")) is not None and point.requests
        ]
        return sum(n for n, _ in found) / sum(n for _, n in found) if found else None

    return lambda part, service: derived(part, service, each)


def _apart(row: Summary) -> float | None:
    """How far the rounds lie apart, in percent of their median; None for less than two."""
    cpu = row.cpu_ms_per_request
    if cpu is None or (row.valid_rounds or row.rounds) < 2:
        return None
    return 100 * (cpu.max - cpu.min) / cpu.median


def _rows(part: Part) -> dict[str, Summary]:
    return {row.service: row for row in part.run.summary}


def _ranked(part: Part) -> list[str]:
    found = _rows(part)
    return part.services(lambda name: valid_median(found.get(name), "cpu_ms_per_request"))


def _ranking(part: Part) -> Ranking:
    scenario = next(iter(part.scenarios()), "")
    return ranking.of_scenario(part, scenario, "cpu_ms_per_request", _ranked(part))


def finding(part: Part) -> str:
    """What a request costs, and of how many services the rounds agree on it."""
    found, order = _rows(part), _ranking(part)
    values = {
        name: f"{facts.number(valid_median(found[name], 'cpu_ms_per_request'))} ms"
        for name in order.names
    }
    said = ranking.contrast(order, values, "the least", "the most")
    text = f"CPU per request at {part.rates()[0]:,} requests/s: {said}." if said else ""
    return f"{text} {_agreement(part)}".strip()


def _agreement(part: Part) -> str:
    known = [away for row in part.run.summary if row.valid and (away := _apart(row)) is not None]
    if not known:
        return ""
    few = sum(away < REPEATABLE for away in known)
    text = (
        f"The rounds lie less than {REPEATABLE:g} % apart for {few} of {len(known)} "
        f"{'service' if len(known) == 1 else 'services'}"
    )
    steadied = _steadied(part)
    if few == len(known) or len(steadied) < FEWEST_ALIKE:
        return f"{text}."
    still = sum(away < REPEATABLE for away in steadied)
    return (
        f"{text}, and for {still} of {len(steadied)} less what all services of a round have in "
        "common, which is the machine's."
    )


def _steadied(part: Part) -> list[float]:
    """How far the rounds of each service lie apart, less what those of a round have in common."""
    by_service = {
        row.service: noise.by_round(part.run, row.service, row.scenario, "cpu_ms_per_request")
        for row in part.run.summary
    }
    relative = {
        name: {turn: cpu / median(found.values()) for turn, cpu in found.items()}
        for name, found in by_service.items()
        if len(found) > 1
    }
    turns = {turn for found in relative.values() for turn in found}
    common = {
        turn: median(found[turn] for found in relative.values() if turn in found) for turn in turns
    }
    steady = [[cpu / common[turn] for turn, cpu in found.items()] for found in relative.values()]
    return [100 * (max(found) - min(found)) / median(found) for found in steady]


def tables(part: Part) -> list[Table]:
    """One row a service."""
    each = {kind: switches(kind) for kind in KINDS}

    def per_request(kind: str) -> Callable[[Summary], Cell]:
        return lambda row: spread(each[kind](part, row.service))

    order = _ranking(part)
    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
        ("rounds apart", "%", lambda row: figure(_apart(row))),
        ("voluntary switches", "a request", per_request("voluntary")),
        ("involuntary switches", "a request", per_request("involuntary")),
        ("threads", "", lambda row: spread(row.threads)),
        ("p99", "ms", lambda row: of_summary(row, "p99_ms")),
        ("memory", "MiB", lambda row: spread(row.rss_bytes, 1 / MIB)),
    ]
    caption = f"What a request costs at {part.rates()[0]:,} requests/s"
    return [by_summary(caption, columns, _ranked(part), _rows(part), part)]


def charts(part: Part) -> list[Chart]:
    """Bars of the CPU per request, and the switches between threads."""
    series = Series(part.run, CPU, _ranked(part), part.by_rate(), over="requests/s")
    cpu = plots.chart(series, f"{part.prefix}{CPU.name}", CPU.title)
    switched = [_dots(part, name) for name in _ranked(part)]
    return [cpu, _switches_chart(part, switched)] if any(map(_known, switched)) else [cpu]


def _known(dots: rows.Dots) -> bool:
    return any(dots.spreads)


def _dots(part: Part, name: str) -> rows.Dots:
    found = [switches(kind)(part, name) for kind in reversed(KINDS)]
    row = _rows(part).get(name)
    state = facts.state(row) if row else "not measured"
    one, two = (each.spread if each else None for each in found)
    return rows.Dots(name, (one, two), (state, state))


def _switches_chart(part: Part, switched: list[rows.Dots]) -> Chart:
    name = f"{part.prefix}switches"
    alt = f"context switches a request, involuntary to voluntary: {rows.said(switched)}"
    shown = {"": [*switched, *rows.unable(part.cannot)]}
    ends = ("involuntary: another was given the core", "voluntary: it waits")
    svg = canvas.svg(lambda: rows.dumbbells(shown, ends, "context switches a request"), name)
    caption = (
        "A thread or process that has nothing to do gives up its core: voluntarily, and once for "
        "each thing it waits for. A loop that finds several requests ready handles them all before "
        "it waits again."
    )
    return Chart(name, "Context switches a request", caption, alt, svg)


DERIVED = {f"{kind}_per_request": switches(kind) for kind in KINDS}
TERMS = (
    (
        "rounds apart",
        "The highest round less the lowest, in percent of the median: how well the figure repeats.",
    ),
    (
        "voluntary, involuntary",
        "Context switches of all the service's threads: those where it waits, and those where the "
        "system gives its core to another.",
    ),
)
