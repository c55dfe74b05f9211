"""Users that wait for a backend with a delay: how near each service gets to the limit."""

from __future__ import annotations

from loadtests.record import Summary
from loadtests.report.charts import heat, lines
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.series import Measure, Series, of_perfect
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Part, valid_median
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import USERS_AND_DELAY, Section
from loadtests.report.tables import controlled
from loadtests.report.tables.cells import (
    Column,
    Table,
    by_summary,
    place,
    shown,
    spread,
)
from loadtests.report.tables.common import MIB
from loadtests.report.tables.controlled import Measured
from loadtests.report.tables.perfect import with_perfect

MEASURES = (
    Measure(
        "requests",
        "rps",
        "Requests/s",
        "requests/s",
        "The dashed line is the arithmetic limit, users ÷ delay, which nobody can exceed. A "
        "service that stays below it has no more answers to give, however many users wait.",
        log=True,
        limit=lambda users, delay_s: users / delay_s,
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
        "pss_bytes",
        "Memory",
        "memory, MiB",
        "Memory of the service's whole process tree under this load. What it grows by with the "
        "users is the price of holding requests that wait.",
        scale=1 / MIB,
    ),
)


def finding(part: Part) -> str:
    """The services that reached most and least of the limit; empty without a valid result."""
    best, rows, order = facts.top(part.run), facts.headline_rows(part.run), _ranking(part)
    if best is None or not order.names:
        return ""
    reached = {name: _reached(rows[name]) for name in order.names}
    load = _load(part, best)
    said = f"{_said(order, reached)}.{_without(part, rows)}"
    pairs = controlled.finding(part, _measured(part)[0], f"at {load}")
    if not best.delay_s:
        return f"{pairs} At {load}, requests/s: {said}".strip()
    limit = facts.number(best.users / best.delay_s)
    return f"{pairs} At {load} the arithmetic limit is {limit} requests/s; {said}".strip()


def _reached(row: Summary) -> str:
    """Its requests/s, and how many users they are of where others had no answer."""
    few = facts.served(row)
    said = facts.at_least(row, "rps") + facts.number(valid_median(row, "rps"))
    return f"{said} ({few})" if few else said


def _without(part: Part, rows: dict[str, Summary]) -> str:
    """A sentence on the services that were tried, and have no valid round."""
    names = [name for name in facts.services(part.run) if name in rows and not rows[name].valid]
    if not names:
        return ""
    many = facts.joined(names) if len(names) <= ranking.MOST_NAMES else f"{len(names)} services"
    return f" No round of {many} was valid."


def _load(part: Part, row: Summary) -> str:
    load = facts.workload(row.users, row.delay_s)
    return f"{load}, each on a new connection" if part.settings.get("new_connections") else load


def _measured(part: Part) -> list[Measured]:
    """The figures in which pairs are compared: both at the most users."""
    best = facts.top(part.run)
    scenario = best.scenario if best else ""
    fields = {"requests/s": "rps", "CPU per request": "cpu_ms_per_request"}
    return [controlled.of_scenario(part, name, scenario, fields[name]) for name in fields]


def _ranking(part: Part) -> Ranking:
    best = facts.top(part.run)
    scenario = best.scenario if best else ""
    return ranking.of_scenario(part, scenario, "rps", facts.ranked(part.run))


def _said(order: Ranking, reached: dict[str, str]) -> str:
    """Both ends of the ranking, and what cannot be told from them."""
    if order.bound:
        return f"what was reached is {ranking.all_bound(order)}"
    first, last = order.names[0], order.names[-1]
    if first == last:
        return f"{first} reached {reached[first]}"
    if order.all_tied():
        return f"{_tied(order, first, last)} reached {_both(reached[first], reached[last])}"
    most, fewest = order.beside_first(), order.beside_last()
    text = f"{first} reached {reached[first]}, the most"
    text += ranking.not_told(order, first, most, reached)
    if len(most) == 1:
        (other,) = most
        both = _tied(order, first, other)
        text = f"{both} reached the most, {_both(reached[first], reached[other])}"
    if len(fewest) == 1:
        (other,) = fewest
        both = _tied(order, last, other)
        return f"{text}; {both} the fewest, {_both(reached[last], reached[other])}"
    beside = ranking.not_told(order, last, fewest, reached)
    return f"{text}; {last} the fewest, {reached[last]}{beside}"


def _both(one: str, other: str) -> str:
    return f"{one} each" if one == other else f"{one} and {other}"


def _tied(order: Ranking, one: str, other: str) -> str:
    return f"{one} and {other}, {order.cannot(one, other)} apart,"


def tables(part: Part) -> list[Table]:
    """One row a service in the scenario of the most users."""
    run = part.run
    best = facts.top(run)
    if best is None:
        return []
    rows = facts.headline_rows(run)
    order = _ranking(part)

    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("requests/s", "", lambda row: shown(row, "rps")),
        ("of the limit", "%", lambda row: shown(row, "rps", 100 * row.delay_s / row.users)),
        ("response time p50", "ms", lambda row: shown(row, "p50_ms")),
        ("response time p99", "ms", lambda row: shown(row, "p99_ms")),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: spread(row.pss_bytes, 1 / MIB)),
    ]
    if not best.delay_s:
        columns = [column for column in columns if column[0] != "of the limit"]
    caption = f"At {_load(part, best)}"
    made = by_summary(caption, columns, facts.ranked(run), rows, part)
    straight = {
        "requests/s": (best.scenario, "rps"),
        "of the limit": (best.scenario, "efficiency"),
        "response time p50": (best.scenario, "p50_ms"),
        "response time p99": (best.scenario, "p99_ms"),
    }
    return [with_perfect(made, part, straight), *controlled.tables(part, _measured(part))]


def charts(part: Part) -> list[Chart]:
    """A chart for each measure and delay."""
    run = part.run
    delays = sorted({row.delay_s for row in run.summary})
    alone = len(delays) == 1
    shares = [_efficiency(part, delay, alone) for delay in delays if delay]
    return shares + [
        _chart(part, measure, delay, alone) for measure in MEASURES for delay in delays
    ]


def _efficiency(part: Part, delay_s: float, alone: bool) -> Chart:
    """The share that each service delivered of what arithmetic allows any of them."""
    rows = {(row.service, row.users): row for row in part.run.summary if row.delay_s == delay_s}
    names, levels = facts.ranked(part.run), sorted({users for _, users in rows})
    cells = {
        name: {n: heat.of_summary(row) for n in levels if (row := rows.get((name, n)))}
        for name in names
    }
    straight = {
        users: 100 * rps * delay_s / users for users, rps in of_perfect(part, "rps", rows).items()
    }
    spec = heat.chart(heat.records(part.run, cells, straight))
    top = {
        name: {n: cell for n, cell in of.items() if n == levels[-1]} for name, of in cells.items()
    }
    alt = f"share of the limit, %, by users: {heat.said(top)}"
    caption = (
        "The share that each service delivered of users ÷ delay, in percent: 100 is what "
        "arithmetic allows, the same for every service. One that does nothing but wait reaches "
        "it; whatever is missing, it was busy with itself, or could not wait for so many at once. "
        "Framed: not valid."
    ) + (
        " The last row is a perfect service: the generator straight at the backend."
        if straight
        else ""
    )
    title = "Efficiency" + ("" if alone else f", {facts.seconds(delay_s)} backend")
    name = f"{part.prefix}efficiency" + ("" if alone else f"-{delay_s:g}s")
    return Chart(name, title, caption, alt, spec)


def _chart(part: Part, measure: Measure, delay_s: float, alone: bool) -> Chart:
    rows = {(row.service, row.users): row for row in part.run.summary if row.delay_s == delay_s}
    straight = of_perfect(part, measure.field, rows, measure.scale)
    names = facts.ranked(part.run)
    series = Series(part.run, measure, names, rows, delay_s=delay_s, perfect=straight)
    name = part.prefix + measure.name if alone else f"{part.prefix}{measure.name}-{delay_s:g}s"
    by = "" if len(series.levels) == 1 else " against users"
    backend = "" if alone else f", {facts.seconds(delay_s)} backend"
    return lines.chart(part, series, name, f"{measure.title}{by}{backend}")


SECTION = Section(
    finding,
    tables,
    charts,
    terms=USERS_AND_DELAY,
)
