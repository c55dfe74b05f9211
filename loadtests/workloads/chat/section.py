"""A chat room: the time until everyone has a message, and what it costs to only listen."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from statistics import linear_regression

from loadtests.record import Point
from loadtests.report.charts import bars, lines
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.series import Measure, Series
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Derived, Part, derived, scaled, valid_median
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables.cells import (
    Cell,
    Column,
    Table,
    by_service,
    count,
    of_summary,
    place,
    spread,
)
from loadtests.report.tables.common import KIB

DELIVERY = Measure(
    "delivery",
    "p99_ms",
    "Time to deliver",
    "time to deliver, ms",
    "From the moment a message was sent until a connection had it; p99 over all deliveries, and "
    "thin the p50. A message to a thousand connections is a thousand writes: the last of them "
    "waits for all the others.",
    log=True,
    also="p50_ms",
)


def memory(part: Part, service: str) -> Derived | None:
    """Bytes of an idle connection: the slope of memory over connections, round by round."""
    return derived(part, service, _slope)


def own(part: Part, service: str) -> Derived | None:
    """The generator's share of the time of broadcasts to the most connections."""
    most = max(part.crowds(), default=0)

    def of(points: list[Point]) -> float | None:
        return next((p.broadcast_cpu for p in points if p.idle_connections == most), None)

    return derived(part, service, of)


def _slope(points: list[Point]) -> float | None:
    known = {p.idle_connections: p.pss_bytes for p in points if p.pss_bytes is not None}
    if len(known) < 2:
        return None
    return linear_regression(list(known), list(known.values())).slope


def _losses(part: Part) -> dict[str, list[float]]:
    """The shares of the deliveries that were lost in the rounds at the most connections.

    Of the services with a round that is invalid for it: the times are those of the others only.
    """
    most = max(part.crowds(), default=0)
    found: dict[str, list[float]] = {}
    for point in part.run.points:
        lost = point.failure_kinds.get("lost")
        if point.idle_connections == most and lost and not point.valid:
            found.setdefault(point.service, []).append(lost / point.requests)
    return found


def _ranked(part: Part) -> list[str]:
    found = part.by_crowd()
    most = max(part.crowds(), default=0)
    return part.services(lambda name: valid_median(found.get((name, most)), "p99_ms"))


def _ranking(part: Part, services: Iterable[str]) -> Ranking:
    """By the p99 at the most connections."""
    most = max(part.crowds(), default=0)
    scenario = next((r.scenario for r in part.run.summary if r.idle_connections == most), "")
    return ranking.of_scenario(part, scenario, "p99_ms", services)


def finding(part: Part) -> str:
    """The fastest and the slowest at the most connections, and the range of memory."""
    text = _times(part)
    slopes = dict(_slopes(part))
    costs = {
        name: f"{facts.number(slope.spread.median / KIB)} KiB"
        for name, slope in slopes.items()
        if slope
    }
    order = ranking.of_derived(part, slopes, slopes)
    said = ranking.contrast(order, costs, "the least", "the most")
    return f"{text} An idle connection costs {said}.".strip() if said else text


def _times(part: Part) -> str:
    """The times of the services that lost nothing, and the losses of the others."""
    found, most, losses = part.by_crowd(), max(part.crowds(), default=0), _losses(part)
    times = {
        name: facts.milliseconds(value)
        for name in _ranked(part)
        if name not in losses
        and (value := valid_median(found.get((name, most)), "p99_ms")) is not None
    }
    ends = ranking.contrast(_ranking(part, times), times, "the soonest", "the latest")
    said = [f"99 % of the deliveries took up to {ends}"] if ends else []
    rounds = facts.rounds(len({point.round for point in part.run.points}))
    for name, shares in sorted(losses.items()):
        lost = facts.joined([f"{facts.number(100 * share, 2)} %" for share in shares])
        said.append(f"{name} lost {lost} of the deliveries in {len(shares)} of {rounds}")
    return f"With {most:,} connections {'; '.join(said)}." if said else ""


def _slopes(part: Part) -> list[tuple[str, Derived | None]]:
    slopes = {name: memory(part, name) for name in _ranked(part)}

    def median(name: str) -> float | None:
        slope = slopes[name]
        return slope.spread.median if slope and slope.valid else None

    return [(name, slopes[name]) for name in part.services(median)]


def tables(part: Part) -> list[Table]:
    """One row a service: the times to deliver at each number of connections, and its memory."""
    if not part.run.summary:
        return []
    found, order = part.by_crowd(), _ranking(part, _ranked(part))

    def time(crowd: int, field: str) -> Callable[[str], Cell]:
        return lambda name: of_summary(found.get((name, crowd)), field)

    def lost(name: str) -> Cell:
        return count(sum(row.failures for row in part.run.summary if row.service == name))

    columns: list[Column[str]] = [("place", "", lambda name: place(order, name))]
    for crowd in filter(None, part.crowds()):
        columns += [
            (f"p50 at {crowd:,}", "ms", time(crowd, "p50_ms")),
            (f"p99 at {crowd:,}", "ms", time(crowd, "p99_ms")),
        ]
    columns += [
        ("lost or doubled", "deliveries", lost),
        ("memory per idle connection", "KiB", lambda name: spread(memory(part, name), 1 / KIB)),
    ]
    if any(own(part, name) for name in part.run.services):
        columns.append(("generator's share", "%", lambda name: spread(own(part, name), 100)))
    caption = "Time to deliver a message, by connections"
    return [by_service(caption, columns, _ranked(part), part.state, part)]


def charts(part: Part) -> list[Chart]:
    """The times to deliver over the connections, and the memory of one."""
    found = {key: row for key, row in part.by_crowd().items() if key[1]}
    if not part.run.summary:
        return []
    drawn = [_memory_chart(part)]
    if found:
        series = Series(part.run, DELIVERY, _ranked(part), found, over="connections")
        name = f"{part.prefix}{DELIVERY.name}"
        drawn.insert(0, lines.chart(part, series, name, f"{DELIVERY.title} against connections"))
    return drawn


def _memory_chart(part: Part) -> Chart:
    drawn = [_bar(part, name, slope) for name, slope in _slopes(part)]
    caption = (
        "The slope of the service's memory over the number of its connections, fitted to each "
        "round. It holds what the service keeps for one that only listens, not what the kernel "
        "does."
    )
    alt = "memory of an idle connection, KiB: " + bars.said(drawn)
    spec = bars.chart(part, drawn, Axis("memory per idle connection, KiB"))
    name = f"{part.prefix}connection-memory"
    return Chart(name, "Memory of an idle connection", caption, alt, spec)


def _bar(part: Part, name: str, slope: Derived | None) -> Bar:
    if slope is None:
        state = part.state(name)
        return Bar(name, None, state if state in ("failed", "invalid") else "not measured")
    return Bar(name, scaled(slope.spread, 1 / KIB), "" if slope.valid else "invalid")


SECTION = Section(
    finding,
    tables,
    charts,
    derived={"connection_bytes": memory},
    terms=(
        (
            "delivery",
            "One message reaching one connection. Here requests are deliveries, failures the lost "
            "and the doubled ones, and p50, p90, p99 and max the times from sending to delivery.",
        ),
        (
            "generator's share",
            "Of the time from sending a message to its last delivery, at the most connections: "
            "the share in which the generator itself computed.",
        ),
        (
            "memory per idle connection",
            "The slope of the memory over the connections, by least squares, round by round.",
        ),
    ),
)
