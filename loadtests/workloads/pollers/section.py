"""The same few requests beside a growing crowd of idle connections: what looking at them costs."""

from __future__ import annotations

from collections.abc import Callable

from loadtests.record import Point
from loadtests.report.charts import lines
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.series import Measure, Series
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Derived, Part, derived
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables.cells import Cell, Column, Table, by_service, of_summary, place, spread

CPU = Measure(
    "crowd",
    "cpu_ms_per_request",
    "CPU per request",
    "CPU per request, ms",
    "The requests are always the same; only the connections that say nothing become more. "
    "select and poll are handed the whole list each time and look at every one of them, epoll and "
    "what is built on it hear only of those where something happened.",
)

SAME = 1.1  # a growth below this is none


def growth(part: Part, service: str) -> Derived | None:
    """CPU per request in the largest crowd the service held ÷ that in the smallest, by rounds."""
    return derived(part, service, _growth)


def _growth(points: list[Point]) -> float | None:
    cpu = {p.idle_connections: p.cpu_ms_per_request for p in points if p.cpu_ms_per_request}
    return cpu[max(cpu)] / cpu[min(cpu)] if len(cpu) > 1 else None


def _held(part: Part, service: str) -> tuple[int, int]:
    """The smallest and the largest crowd that a growth stands for."""
    rows = [row for row in part.run.summary if row.service == service and row.cpu_ms_per_request]
    crowds = [row.idle_connections for row in [row for row in rows if row.valid] or rows]
    return (min(crowds, default=0), max(crowds, default=0))


def _ranked(part: Part) -> list[str]:
    def grown(name: str) -> float | None:
        found = growth(part, name)
        return found.spread.median if found and found.valid else None

    return part.services(grown)


def finding(part: Part) -> str:
    """Whose CPU per request grew the least and the most with the crowd."""
    order = _ranking(part)
    grown = {name: _said(part, name) for name in order.names}
    if not order.names:
        return ""
    least = "" if _stays(part, order.names[0]) else "the least"
    most = "" if _stays(part, order.names[-1]) else "the most"
    said = ranking.contrast(order, grown, least, most)
    return f"With the crowd of idle connections the CPU per request {said}."


def _ranking(part: Part) -> Ranking:
    names = _ranked(part)
    return ranking.of_derived(part, {name: growth(part, name) for name in names}, names)


def _said(part: Part, name: str) -> str:
    grown, (low, high) = growth(part, name), _held(part, name)
    assert grown is not None  # it has a place in the ranking
    by = "stays the same"
    if not _stays(part, name):
        word = "grows" if grown.spread.median > 1 else "falls"
        by = f"{word} {facts.times(grown.spread.median)}"
    return f"{by} from {low:,} to {high:,}"


def _stays(part: Part, name: str) -> bool:
    """Whether it is the same in the largest crowd, but for noise or less than a tenth."""
    grown = growth(part, name)
    if grown is None:
        return False
    return 1 / SAME < grown.spread.median < SAME or grown.spread.min <= 1 <= grown.spread.max


def tables(part: Part) -> list[Table]:
    """One row a service: the CPU per request in each crowd, and its growth."""
    if not part.run.summary:
        return []
    found, order = part.by_crowd(), _ranking(part)

    def cpu(crowd: int) -> Callable[[str], Cell]:
        return lambda name: of_summary(found.get((name, crowd)), "cpu_ms_per_request")

    def held(name: str) -> Cell:
        return Cell("{:,} to {:,}".format(*_held(part, name)))

    columns: list[Column[str]] = [("place", "", lambda name: place(order, name))]
    columns += [(f"{n:,} idle", "CPU-ms", cpu(n)) for n in part.crowds()]
    columns += [
        ("growth", "times", lambda name: spread(growth(part, name))),
        ("over", "idle connections", held),
    ]
    caption = "CPU per request, by the crowd of idle connections"
    return [by_service(caption, columns, _ranked(part), part.state, part)]


def charts(part: Part) -> list[Chart]:
    """The CPU per request over the crowd."""
    rows = part.by_crowd()
    if not rows:
        return []
    series = Series(part.run, CPU, _ranked(part), rows, over="idle connections")
    return [
        lines.chart(part, series, f"{part.prefix}{CPU.name}", "CPU per request against the crowd")
    ]


SECTION = Section(
    finding,
    tables,
    charts,
    derived={"growth": growth},
    terms=(
        (
            "idle connections",
            "Open, served before, and silent while the requests of others are measured.",
        ),
        (
            "growth",
            "CPU per request in the largest crowd that the service held ÷ that in the smallest, "
            "round by round.",
        ),
    ),
)
