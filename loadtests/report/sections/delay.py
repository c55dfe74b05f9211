"""Users that wait for a backend with a delay: how near each service gets to the limit."""

from __future__ import annotations

from loadtests.record import Summary
from loadtests.report import facts, plots, ranking
from loadtests.report.canvas import Chart
from loadtests.report.cells import LOWER_BOUND, Column, Table, by_summary, figure, place, spread
from loadtests.report.parts import Part, valid_median
from loadtests.report.ranking import Ranking
from loadtests.report.sections.section import USERS_AND_DELAY, Section
from loadtests.report.series import Measure, Series
from loadtests.report.tables import MIB

MEASURES = (
    Measure(
        "efficiency",
        "efficiency",
        "Efficiency",
        "% of the ceiling",
        "How much of what the wait alone would allow each service delivered. One that does nothing "
        "but wait reaches 100 %; whatever is missing, it was busy with itself. The ceiling is the "
        "service's own, so one that can wait for a single call at a time has a low one.",
        scale=100,
        panels=True,
        unit=" %",
        limit=lambda users, delay_s: 100,
    ),
    Measure(
        "requests",
        "rps",
        "Requests/s",
        "requests/s",
        "The dashed line is the arithmetic limit, users ÷ delay, which nobody can exceed. A "
        "service that stays below it has no more answers to give, however many users wait.",
        log=True,
        limit=lambda users, delay_s: users / delay_s,
        limit_label="arithmetic limit",
    ),
    Measure(
        "p99",
        "p99_ms",
        "Response time p99",
        "response time p99, ms",
        "99 % of the answered requests took no longer than this. The dashed line is the delay of "
        "the backend: no answer can be faster, and the distance from it is what the service adds.",
        log=True,
        limit=lambda users, delay_s: delay_s * 1000,
        limit_label="delay of the backend",
    ),
    Measure(
        "cpu",
        "cpu_ms_per_request",
        "CPU per request",
        "CPU per request, ms",
        "CPU time of the service's whole process tree for each request. A core has 1,000 ms a "
        "second: at 0.25 ms a request it is spent at 4,000 requests/s.",
    ),
    Measure(
        "memory",
        "rss_bytes",
        "Memory",
        "memory, MiB",
        "Memory of the service's whole process tree under this load. What it grows by with the "
        "users is the price of holding requests that wait.",
        scale=1 / MIB,
    ),
)


def finding(part: Part) -> str:
    """Who reached the most, and who the least, of the limit; empty without a valid result."""
    best, rows, order = facts.top(part.run), facts.headline_rows(part.run), _ranking(part)
    if best is None or not order.names:
        return ""
    reached = {name: facts.number(valid_median(rows[name], "rps")) for name in order.names}
    load = facts.workload(best.users, best.delay_s)
    said = _said(order, reached)
    if not best.delay_s:
        return f"At {load}, requests/s: {said}."
    limit = facts.number(best.users / best.delay_s)
    return f"At {load} the arithmetic limit is {limit} requests/s; {said}."


def _ranking(part: Part) -> Ranking:
    best = facts.top(part.run)
    scenario = best.scenario if best else ""
    return ranking.of_scenario(part, scenario, "rps", facts.ranked(part.run))


def _said(order: Ranking, reached: dict[str, str]) -> str:
    """Both ends of the ranking, and who is within noise of them."""
    first, last = order.names[0], order.names[-1]
    if first == last:
        return f"{first} reached {reached[first]}"
    if order.all_tied():
        return f"{_tied(first, last)} reached {reached[first]} and {reached[last]}"
    most, fewest = order.beside_first(), order.beside_last()
    text = f"{first} reached {reached[first]}, the most" + _beside(most)
    if len(most) == 1:
        (other,) = most
        text = f"{_tied(first, other)} reached the most, {reached[first]} and {reached[other]}"
    if len(fewest) == 1:
        (other,) = fewest
        return f"{text}; {_tied(last, other)} the fewest, {reached[last]} and {reached[other]}"
    return f"{text}; {last} the fewest, {reached[last]}" + _beside(fewest)


def _tied(one: str, other: str) -> str:
    return f"{one} and {other}, within noise of each other,"


def _beside(names: list[str]) -> str:
    return f", and within noise of it {ranking.listed(names)}" if names else ""


def tables(part: Part) -> list[Table]:
    """One row a service in the scenario of the most users."""
    run = part.run
    best = facts.top(run)
    if best is None:
        return []
    rows = facts.headline_rows(run)
    low, order = facts.lower_bounds(run), _ranking(part)

    def note(row: Summary) -> str:
        return LOWER_BOUND if (row.service, row.scenario) in low else ""

    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("requests/s", "", lambda row: spread(row.rps)),
        ("ceiling", "requests/s", lambda row: figure(row.ceiling_rps or None)),
        ("of ceiling", "%", lambda row: spread(row.efficiency, 100)),
        ("response time p50", "ms", lambda row: spread(row.p50_ms, note=note(row))),
        ("response time p99", "ms", lambda row: spread(row.p99_ms, note=note(row))),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: spread(row.rss_bytes, 1 / MIB)),
    ]
    caption = f"At {facts.workload(best.users, best.delay_s)}"
    return [by_summary(caption, columns, facts.ranked(run), rows, part)]


def charts(part: Part) -> list[Chart]:
    """A chart for each measure and delay."""
    run = part.run
    delays = sorted({row.delay_s for row in run.summary})
    return [
        _chart(part, measure, delay, len(delays) == 1) for measure in MEASURES for delay in delays
    ]


def _chart(part: Part, measure: Measure, delay_s: float, alone: bool) -> Chart:
    rows = {(row.service, row.users): row for row in part.run.summary if row.delay_s == delay_s}
    series = Series(part.run, measure, facts.ranked(part.run), rows, delay_s=delay_s)
    name = part.prefix + measure.name if alone else f"{part.prefix}{measure.name}-{delay_s:g}s"
    by = (
        ""
        if len(series.levels) == 1
        else " by service and users"
        if measure.panels
        else " against users"
    )
    backend = "" if alone else f", {facts.seconds(delay_s)} backend"
    return plots.chart(series, name, f"{measure.title}{by}{backend}")


SECTION = Section(
    finding,
    tables,
    charts,
    terms=USERS_AND_DELAY,
)
