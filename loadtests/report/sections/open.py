"""Requests that arrive at a rate, whatever the answers do: two times, and the cost of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loadtests.record import Point, Summary
from loadtests.report import facts, plots, ranking
from loadtests.report.canvas import Chart
from loadtests.report.cells import (
    Cell,
    Column,
    Table,
    by_service,
    by_summary,
    of_summary,
    place,
    spread,
)
from loadtests.report.parts import Derived, Part, derived
from loadtests.report.ranking import Ranking
from loadtests.report.sections import cost
from loadtests.report.sections.section import Section
from loadtests.report.series import Measure, Series

# What may be added to the delay, and the share of the rate that must be answered.
ADDED_MS = 100
ANSWERED = 0.95


def _times(percentile: str, caption: str) -> Measure:
    """A percentile from the instant a request was due, and beside it from the one it was sent."""
    return Measure(
        percentile,
        f"{percentile}_ms",
        f"Response time {percentile}",
        f"response time {percentile}, ms",
        caption,
        log=True,
        panels=True,
        limit=lambda rate, delay_s: delay_s * 1000,
        also=f"sent_{percentile}_ms",
        lines=("from the instant it was due", "from the instant it was sent"),
        unit=" ms",
    )


MEASURES = (
    _times(
        "p99",
        "Requests arrive at a rate that does not ask whether the last ones were answered. Solid "
        "from the instant a request was due, dotted from the one it was sent: between them lies "
        "what the generator itself was late. The dashed line is the delay of the backend.",
    ),
    _times(
        "p50",
        "The same of the median: half of the requests took no longer. Where it leaves the dashed "
        "line requests are in line, and the line grows for as long as the rate lasts.",
    ),
    Measure(
        "cpu",
        "cpu_ms_per_request",
        "CPU per request",
        "CPU per request, ms",
        "CPU time of the service's whole process tree for each request. It falls with the rate "
        "where one turn of a loop serves several requests.",
    ),
)


def kept(part: Part, service: str) -> Derived | None:
    """The highest rate with a p99 of at most delay + 100 ms, round by round; 0 where none had."""
    return derived(part, service, _kept)


def _kept(points: list[Point]) -> float | None:
    if not points:
        return None
    held = (
        point.rate_rps
        for point in points
        if point.rate_rps
        and point.rps >= ANSWERED * point.rate_rps
        and point.p99_ms is not None
        and point.p99_ms <= 1000 * point.delay_s + ADDED_MS
    )
    return max(held, default=0.0)


def _keeps(part: Part, service: str) -> float | None:
    """The median over the rounds; None where none of them is valid."""
    found = kept(part, service)
    return found.spread.median if found and found.valid else None


def _ranked(part: Part) -> list[str]:
    """Who keeps the highest rate first."""

    def rank(name: str) -> float | None:
        rate = _keeps(part, name)
        return None if rate is None else -rate

    return part.services(rank)


def _ranking(part: Part) -> Ranking:
    names = _ranked(part)
    return ranking.of_derived(part, {name: kept(part, name) for name in names}, names)


def finding(part: Part) -> str:
    """The highest rate that each kept; of a single rate what a request costs."""
    if len(part.rates()) == 1:
        return cost.finding(part)
    order = _ranking(part)
    values = {name: _said(part, name) for name in order.names}
    said = ranking.contrast(order, values, "the most", "the least")
    return said and f"The highest rate with a p99 within {_limit(part)}: {said}."


def _at_least(part: Part, found: Derived) -> str:
    """A sign where nothing higher was asked for."""
    return "≥ " if found.spread.median >= part.rates()[-1] else ""


def _said(part: Part, service: str) -> str:
    found = kept(part, service)
    if found is None or not found.spread.median:
        return "none"
    return f"{_at_least(part, found)}{facts.number(found.spread.median)} requests/s"


def _limit(part: Part) -> str:
    return f"{1000 * float(part.settings['delay_s']) + ADDED_MS:g} ms"


def tables(part: Part) -> list[Table]:
    """The rate that each kept, then a table for each rate; of a single rate what it costs."""
    rates = part.rates()
    if len(rates) == 1:
        return cost.tables(part)
    return [_kept_table(part), *(_table(part, rate) for rate in rates)] if rates else []


def _kept_table(part: Part) -> Table:
    rows = part.by_rate()

    def highest(name: str) -> Cell:
        found = kept(part, name)
        if found and found.spread.max == 0:
            return Cell("none" if found.valid else "none (invalid)", number=True)
        shown = spread(found)
        return replace(shown, text=_at_least(part, found) + shown.text) if found else shown

    def there(field: str) -> Callable[[str], Cell]:
        def cell(name: str) -> Cell:
            found = kept(part, name)
            rates = [rate for rate in part.rates() if found and rate <= found.spread.median]
            return of_summary(rows.get((name, rates[-1])) if rates else None, field)

        return cell

    order = _ranking(part)
    columns: list[Column[str]] = [
        ("place", "", lambda name: place(order, name)),
        ("highest rate", "requests/s", highest),
        ("p50 there", "ms", there("p50_ms")),
        ("p99 there", "ms", there("p99_ms")),
        ("p99 from the send", "ms", there("sent_p99_ms")),
        ("CPU per request there", "ms", there("cpu_ms_per_request")),
    ]
    caption = f"The highest rate with a p99 within {_limit(part)}"
    return by_service(caption, columns, _ranked(part), part.state, part)


def _table(part: Part, rate: int) -> Table:
    found = {name: row for (name, at), row in part.by_rate().items() if at == rate}
    low = facts.lower_bounds(part.run)

    def time(field: str) -> Callable[[Summary], Cell]:
        return lambda row: of_summary(row, field, low)

    columns: list[Column[Summary]] = [
        ("keeps up", "", _keeps_up),
        ("p50 from due", "ms", time("p50_ms")),
        ("p50 from sent", "ms", time("sent_p50_ms")),
        ("p99 from due", "ms", time("p99_ms")),
        ("p99 from sent", "ms", time("sent_p99_ms")),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
    ]
    return by_summary(f"At {rate:,} requests/s", columns, _ranked(part), found, part)


def _keeps_up(row: Summary) -> Cell:
    if row.rps is None or not row.rate_rps:
        return Cell(facts.NOTHING)
    if row.rps.median >= ANSWERED * row.rate_rps:
        return Cell("yes")
    return Cell(f"no: answers {facts.number(row.rps.median)}/s")


def charts(part: Part) -> list[Chart]:
    """p99, p50 and CPU over the rates; of a single rate what it costs."""
    rates = part.rates()
    if len(rates) == 1:
        return cost.charts(part)
    return [_chart(part, measure) for measure in MEASURES] if rates else []


def _chart(part: Part, measure: Measure) -> Chart:
    delay_s = float(part.settings["delay_s"])
    series = Series(
        part.run, measure, _ranked(part), part.by_rate(), over="requests/s", delay_s=delay_s
    )
    return plots.chart(series, f"{part.prefix}{measure.name}", f"{measure.title} against the rate")


SECTION = Section(
    finding,
    tables,
    charts,
    derived={"kept_rps": kept, **cost.DERIVED},
    terms=(
        (
            "from due, from sent",
            "The response time from the instant a request was due by the rate, and from the one "
            "it was sent. p50, p90, p99 and max without a word are from due.",
        ),
        (
            "keeps up",
            f"At least {100 * ANSWERED:g} % of the requests that were due in the window were "
            "answered in it.",
        ),
        *cost.TERMS,
    ),
)
