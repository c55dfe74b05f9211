"""Requests that arrive at a rate, whatever the answers do: two times, and the cost of each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loadtests.record import Point, Summary
from loadtests.report.charts import lines
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.series import Measure, Series, of_perfect
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Derived, Part, derived
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables.cells import (
    Cell,
    Column,
    Table,
    by_service,
    by_summary,
    of_summary,
    place,
    spread,
)
from loadtests.report.tables.perfect import with_perfect
from loadtests.workloads.open_rate import arriving

ADDED_MS = 100  # what may be added to the delay


def _times(percentile: str, caption: str) -> Measure:
    """A percentile from the instant a request was due, and beside it from the one it was sent."""
    return Measure(
        percentile,
        f"{percentile}_ms",
        f"Response time {percentile}",
        f"response time {percentile}, ms",
        caption,
        log=True,
        limit=lambda rate, delay_s: delay_s * 1000,
        also=f"sent_{percentile}_ms",
        lines=("from the instant it was due", "from the instant it was sent"),
    )


MEASURES = (
    _times(
        "p99",
        "Requests arrive at a rate that does not ask whether the last ones were answered. Thick "
        "from the instant a request was due, thin from the one it was sent: between them lies "
        "what the generator itself was late. The dashed line is the delay of the backend. A line "
        "ends where a service no longer keeps up.",
    ),
    _times(
        "p50",
        "The same of the median: half of the requests took no longer.",
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
        and point.arrivals != arriving.EVEN
        and arriving.keeps_up(point)
        and (longest_ms := _p99_at_most(point)) is not None
        and longest_ms <= 1000 * point.delay_s + ADDED_MS
    )
    return max(held, default=0.0)


def _p99_at_most(point: Point) -> float | None:
    """The p99; of too few answers the longest, which is no shorter."""
    p99_ms: float | None = point.figure("p99_ms")
    longest_ms: float | None = point.figure("max_ms")
    return longest_ms if p99_ms is None else p99_ms


def _keeps(part: Part, service: str) -> float | None:
    """The median over the rounds; None where none of them is valid."""
    found = kept(part, service)
    return found.spread.median if found and found.valid else None


def _ranked(part: Part) -> list[str]:
    """The services, that with the highest rate first."""

    def rank(name: str) -> float | None:
        rate = _keeps(part, name)
        return None if rate is None else -rate

    return part.services(rank)


def _ranking(part: Part) -> Ranking:
    names = _ranked(part)
    return ranking.of_derived(part, {name: kept(part, name) for name in names}, names)


def finding(part: Part) -> str:
    """The highest rate that each kept."""
    order = _ranking(part)
    values = {name: _said(part, name) for name in order.names}
    said = ranking.contrast(order, values, "the most", "the least")
    return said and f"The highest rate with a p99 within {_limit(part)}: {said}."


def _at_least(part: Part, service: str, found: Derived) -> str:
    """A sign where nothing higher was asked for, or something else was the limit there."""
    above = (
        row.bound
        for (name, rate), row in part.by_rate().items()
        if name == service and rate > found.spread.median
    )
    return "≥ " if found.spread.median >= part.rates()[-1] or any(above) else ""


def _said(part: Part, service: str) -> str:
    found = kept(part, service)
    if found is None or not found.spread.median:
        return "none"
    return f"{_at_least(part, service, found)}{facts.number(found.spread.median)} requests/s"


def _limit(part: Part) -> str:
    return f"{1000 * float(part.settings['delay_s']) + ADDED_MS:g} ms"


def tables(part: Part) -> list[Table]:
    """The rate that each kept, even and random arrivals, then a table for each rate."""
    rates = part.rates()
    if not rates:
        return []
    return [
        _kept_table(part),
        *arriving.even_tables(part, _ranked(part)),
        *(_table(part, rate) for rate in rates),
    ]


def _kept_table(part: Part) -> Table:
    rows = part.by_rate()

    def highest(name: str) -> Cell:
        found = kept(part, name)
        if found and found.spread.max == 0:
            return Cell("none" if found.valid else "none (invalid)", number=True)
        shown = spread(found)
        return replace(shown, text=_at_least(part, name, found) + shown.text) if found else shown

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
        ("CPU per request there", "ms", there("cpu_ms_per_request")),
    ]
    caption = f"The highest rate with a p99 within {_limit(part)}"
    return by_service(caption, columns, _ranked(part), part.state, part)


def _table(part: Part, rate: int) -> Table:
    found = {name: row for (name, at), row in part.by_rate().items() if at == rate}

    def time(field: str) -> Callable[[Summary], Cell]:
        return lambda row: of_summary(row if arriving.kept(part, row) else None, field)

    columns: list[Column[Summary]] = [
        ("keeps up", "", lambda row: arriving.said(part, row)),
        ("p50 from due", "ms", time("p50_ms")),
        ("p99 from due", "ms", time("p99_ms")),
        ("p99 from sent", "ms", time("sent_p99_ms")),
        ("backlog", "requests", lambda row: arriving.overload("backlog")(part, row)),
        ("grows by", "requests/s", lambda row: arriving.overload("growth_rps")(part, row)),
        ("drains in", "s", lambda row: arriving.drain(part, row)),
    ]
    made = by_summary(f"At {rate:,} requests/s", columns, _ranked(part), found, part)
    scenario = next((row.scenario for row in found.values()), "")
    straight = {
        "p50 from due": (scenario, "p50_ms"),
        "p99 from due": (scenario, "p99_ms"),
    }
    return with_perfect(made, part, straight)


def charts(part: Part) -> list[Chart]:
    """p99, p50 and CPU over the rates with which a service keeps up."""
    return [_chart(part, measure) for measure in MEASURES] if part.rates() else []


def _chart(part: Part, measure: Measure) -> Chart:
    delay_s = float(part.settings["delay_s"])
    rows = arriving.drawn(part)
    straight = of_perfect(part, measure.field, rows)
    series = Series(
        part.run, measure, _ranked(part), rows, "requests/s", delay_s=delay_s, perfect=straight
    )
    return lines.chart(
        part, series, f"{part.prefix}{measure.name}", f"{measure.title} against the rate"
    )


SECTION = Section(
    finding,
    tables,
    charts,
    derived={"kept_rps": kept},
    terms=(
        (
            "from due, from sent",
            "The response time from the instant a request was due by the rate, and from the one "
            "it was sent. p50, p90, p99 and max without a word are from due.",
        ),
        arriving.KEEPS_UP,
        (
            "backlog, grows by, drains in",
            "Of a service that does not keep up, whose response times say no more than how long "
            "the window was: what was in flight at its end, by how much that grew a second, and "
            "how long it took to answer all of it when nothing more came.",
        ),
    ),
)
