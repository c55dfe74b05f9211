"""The cost of a request at low rates: CPU time, thread switches, and their spread."""

from __future__ import annotations

from collections.abc import Callable

from loadtests.record import Point, Summary
from loadtests.report.charts import dots, lines
from loadtests.report.charts.bars import Axis
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.dots import Dots
from loadtests.report.charts.series import Measure, Series
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Derived, Part, derived, valid_median
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables import controlled
from loadtests.report.tables.cells import (
    Cell,
    Column,
    Table,
    by_summary,
    figure,
    of_summary,
    place,
    spread,
)
from loadtests.report.tables.controlled import Measured
from loadtests.report.tables.perfect import with_perfect
from loadtests.workloads.open_rate import arriving

REPEATABLE = 3.0  # percent
CPU = Measure(
    "cpu",
    "cpu_ms_per_request",
    "CPU per request",
    "CPU per request, ms",
    "CPU time of the service's whole process tree for each request, of services that keep up with "
    "the rate. At a low one a wake-up for each request is most of it.",
)
KINDS = ("voluntary", "involuntary")


def switches(kind: str, rate: int | None = None) -> Callable[[Part, str], Derived | None]:
    """Context switches of the process tree for each request, by round, at all rates or one."""

    def each(points: list[Point]) -> float | None:
        found = [
            (switched, point.requests)
            for point in points
            if (switched := getattr(point, f"{kind}_switches")) is not None
            and point.requests
            and rate in (None, point.rate_rps)
        ]
        return sum(n for n, _ in found) / sum(n for _, n in found) if found else None

    return lambda part, service: derived(part, service, each)


def _apart(row: Summary) -> float | None:
    """How far the rounds lie apart, in percent of their median; None for less than two."""
    cpu = row.cpu_ms_per_request
    if cpu is None or (row.valid_rounds or row.rounds) < 2:
        return None
    return 100 * (cpu.max - cpu.min) / cpu.median


def _rows(part: Part, rate: int) -> dict[str, Summary]:
    return {name: row for (name, at), row in part.by_rate().items() if at == rate}


def _competing(part: Part, rate: int) -> dict[str, Summary]:
    """The services that keep up with a rate: without that, the cost is that of a queue."""
    return {name: row for name, row in _rows(part, rate).items() if arriving.kept(part, row)}


def _ranked(part: Part, rate: int) -> list[str]:
    found = _competing(part, rate)
    return part.services(lambda name: valid_median(found.get(name), "cpu_ms_per_request"))


def _ranking(part: Part, rate: int) -> Ranking:
    found = _competing(part, rate)
    names = [name for name in _ranked(part, rate) if name in found]
    scenario = next((row.scenario for row in found.values()), "")
    return ranking.of_scenario(part, scenario, "cpu_ms_per_request", names)


def finding(part: Part) -> str:
    """The cost of a request at each rate, and for how many services the rounds agree on it."""
    said = [_said(part, rate) for rate in part.rates()]
    return " ".join(filter(None, [one_change(part), *said, _agreement(part)]))


def one_change(part: Part, sure: bool = False) -> str:
    """The most that a single change does to the CPU per request, at the lowest rate."""
    for rate in part.rates():
        found = _measured(part, rate, "CPU per request")
        return controlled.finding(part, found, f"at {rate:,} requests/s", sure)
    return ""


def _measured(part: Part, rate: int, name: str) -> Measured:
    """The figure in which pairs are compared, of services that keep up."""
    order = _ranking(part, rate)
    scenario = next((row.scenario for row in _rows(part, rate).values()), "")
    return controlled.of_scenario(part, name, scenario, "cpu_ms_per_request", order)


def _said(part: Part, rate: int) -> str:
    found, order = _rows(part, rate), _ranking(part, rate)
    values = {
        name: f"{facts.number(valid_median(found[name], 'cpu_ms_per_request'))} ms"
        for name in order.names
    }
    said = ranking.contrast(order, values, "the least", "the most")
    return said and f"CPU per request at {rate:,} requests/s: {said}."


def _agreement(part: Part) -> str:
    rows = [row for rate in part.rates() for row in _competing(part, rate).values() if row.valid]
    known = [away for row in rows if (away := _apart(row)) is not None]
    if not known:
        return ""
    close = f"The rounds lie less than {REPEATABLE:g} % apart"
    few = sum(away < REPEATABLE for away in known)
    return f"{close} for {few or 'none'} of the {len(known)} costs of a service at a rate."


def tables(part: Part) -> list[Table]:
    """A table for each rate."""
    pairs = [
        _measured(part, rate, f"CPU per request at {rate:,} requests/s") for rate in part.rates()
    ]
    return [*(_table(part, rate) for rate in part.rates()), *controlled.tables(part, pairs)]


def _table(part: Part, rate: int) -> Table:
    competing, order = _competing(part, rate), _ranking(part, rate)

    def of(cell: Callable[[Summary], Cell]) -> Callable[[Summary], Cell]:
        return lambda row: cell(row) if row.service in competing else figure(None)

    def per_request(kind: str) -> Callable[[Summary], Cell]:
        each = switches(kind, rate)
        return of(lambda row: spread(each(part, row.service)))

    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("keeps up", "", lambda row: arriving.said(part, row)),
        ("CPU per request", "ms", of(lambda row: spread(row.cpu_ms_per_request))),
        ("rounds apart", "%", of(lambda row: figure(_apart(row)))),
        ("voluntary switches", "a request", per_request("voluntary")),
        ("involuntary switches", "a request", per_request("involuntary")),
        ("threads", "", lambda row: spread(row.threads)),
        ("p99", "ms", of(lambda row: of_summary(row, "p99_ms"))),
    ]
    caption = f"CPU per request at {rate:,} requests/s"
    found = _rows(part, rate)
    made = by_summary(caption, columns, _ranked(part, rate), found, part)
    scenario = next((row.scenario for row in found.values()), "")
    return with_perfect(made, part, {"p99": (scenario, "p99_ms")})


def charts(part: Part) -> list[Chart]:
    """The CPU per request over the rates, and the switches between threads at the lowest."""
    rates = part.rates()
    if not rates:
        return []
    names = _ranked(part, rates[0])
    series = Series(part.run, CPU, names, arriving.drawn(part), over="requests/s")
    cpu = lines.chart(part, series, f"{part.prefix}{CPU.name}", CPU.title)
    switched = [_dots(part, name, rates[0]) for name in names]
    return [cpu, _switches_chart(part, switched)] if any(map(_known, switched)) else [cpu]


def _known(row: Dots) -> bool:
    return any(row.spreads)


def _dots(part: Part, name: str, rate: int) -> Dots:
    found = [switches(kind, rate)(part, name) for kind in reversed(KINDS)]
    row = _rows(part, rate).get(name)
    state = facts.state(row) if row else "not measured"
    one, two = (each.spread if each else None for each in found)
    return Dots(name, (one, two), (state, state))


def _switches_chart(part: Part, switched: list[Dots]) -> Chart:
    name = f"{part.prefix}switches"
    alt = f"context switches a request, involuntary to voluntary: {dots.said(switched)}"
    ends = ("involuntary", "voluntary")
    spec = dots.chart(part, switched, ends, Axis("context switches a request"))
    caption = (
        "A thread or process that has nothing to do gives up its core: voluntarily, and once for "
        "each thing it waits for; involuntarily when another is given the core. A loop that finds "
        "several requests ready handles them all before it waits again."
    )
    return Chart(name, "Context switches a request", caption, alt, spec)


SECTION = Section(
    finding,
    tables,
    charts,
    derived={f"{kind}_per_request": switches(kind) for kind in KINDS},
    terms=(
        arriving.KEEPS_UP,
        (
            "rounds apart",
            "The highest round less the lowest, in percent of the median: how well it repeats.",
        ),
        (
            "voluntary, involuntary",
            "Context switches of all the service's threads: those where it waits, and those where "
            "the system gives its core to another.",
        ),
    ),
)
