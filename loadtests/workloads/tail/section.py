"""Delays that are drawn: what each service adds to them, up to the last in a thousand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from loadtests.record import Summary
from loadtests.report.charts import bars
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import Chart
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Part, valid_median
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables.cells import Cell, Column, Table, by_summary, of_summary, place
from loadtests.report.tables.perfect import with_perfect
from loadtests.workloads import delays
from loadtests.workloads.open_rate import arriving

RANKED_BY = "added_p999_ms"
# So little above the generator straight at the backend is the instrument's, not the service's.
INSTRUMENT = 1.2
ADDED = (
    ("p50 added", "added_p50_ms"),
    ("p99 added", "added_p99_ms"),
    ("p99.9 added", RANKED_BY),
)


def _order(part: Part, scenario: str) -> Ranking:
    return ranking.of_scenario(part, scenario, RANKED_BY, _ranked(part, scenario))


def _ranked(part: Part, scenario: str) -> list[str]:
    """The least added first."""
    rows = part.rows(scenario)
    return part.services(lambda name: valid_median(rows.get(name), RANKED_BY))


def said(row: Summary) -> str:
    """The delays of a scenario, in words."""
    found = delays.parse(row.delays)
    shown = f"{facts.number(1000 * found.mean_s)} ms"
    return f"{found.name} delays of {shown}" + (" on average" if found.variation > 1e-9 else "")


def _first(part: Part, scenario: str) -> Summary:
    return next(iter(part.rows(scenario).values()))


def finding(part: Part) -> str:
    """The most and the least that is added to each kind of delays, beside the generator alone."""
    return " ".join(filter(None, (_said(part, scenario) for scenario in part.scenarios())))


def _said(part: Part, scenario: str) -> str:
    rows, every = part.rows(scenario), _order(part, scenario).names
    known = {name: valid_median(rows[name], RANKED_BY) or 0.0 for name in every}
    alone = _alone(part, scenario)
    own = [name for name in every if alone is None or known[name] > INSTRUMENT * alone]
    order = ranking.of_scenario(part, scenario, RANKED_BY, own)
    values = {name: facts.milliseconds(value) for name, value in known.items()}
    ends = ranking.contrast(
        order, values, "the least" if own == every else "the least of these", "the most"
    )
    if alone is not None and every:
        ends = "; ".join(filter(None, [ends, _beside(alone, [n for n in every if n not in own])]))
    return ends and f"Added to {said(_first(part, scenario))} at p99.9: {ends}."


def _alone(part: Part, scenario: str) -> float | None:
    """The figure of the generator straight at the backend, where it can be relied on."""
    perfect = part.perfect(scenario)
    found: float | None = perfect.get(RANKED_BY) if perfect.get("valid", True) else None
    return found


def _beside(alone: float, within: list[str]) -> str:
    text = f"the generator alone, with no service, adds {facts.milliseconds(alone)}"
    close = f"within {100 * (INSTRUMENT - 1):.0f} %"
    return f"{text}, and {facts.joined(within)} no more than that ({close})" if within else text


def tables(part: Part) -> list[Table]:
    """One for each kind of delays."""
    return [_table(part, scenario) for scenario in part.scenarios()]


def _table(part: Part, scenario: str) -> Table:
    rows, order = part.rows(scenario), _order(part, scenario)

    def of(field: str) -> Callable[[Summary], Cell]:
        return lambda row: of_summary(row, field)

    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        *((name, "ms", of(field)) for name, field in ADDED),
        ("p99 in all", "ms", of("p99_ms")),
        ("CPU per request", "ms", of("cpu_ms_per_request")),
        ("keeps up", "", lambda row: arriving.said(part, row)),
    ]
    first = _first(part, scenario)
    caption = f"Added to {said(first)}, at {facts.number(first.rate_rps or 0)} requests/s"
    made = by_summary(caption, columns, _ranked(part, scenario), rows, part)
    straight = {name: (scenario, field) for name, field in (*ADDED, ("p99 in all", "p99_ms"))}
    return with_perfect(made, part, straight)


def charts(part: Part) -> list[Chart]:
    """The time that is added at p99.9, a chart for each kind of delays."""
    scenarios = part.scenarios()
    firsts = [_first(part, scenario) for scenario in scenarios]
    names = named([(kind_of(row), row.rate_rps) for row in firsts])
    return [_chart(part, *one) for one in zip(scenarios, names, strict=True)]


def kind_of(row: Summary) -> str:
    """The name of the distribution of its delays."""
    return delays.parse(row.delays).name


def named(loads: Sequence[tuple[str, float | None]]) -> list[str]:
    """A name for each distribution and rate: with the rate and a number where several are alike."""
    kinds = Counter(kind for kind, _ in loads)
    found: list[str] = []
    for kind, rate_rps in loads:
        number = sum(kind == before for before, _ in loads[: len(found)]) + 1
        found.append(kind if kinds[kind] == 1 else f"{kind}-{rate_rps or 0:g}rps-{number}")
    return found


def _chart(part: Part, scenario: str, name: str) -> Chart:
    rows, first = part.rows(scenario), _first(part, scenario)
    drawn = [_bar(name, rows.get(name)) for name in _ranked(part, scenario)]
    perfect = part.perfect(scenario).get(RANKED_BY)
    axis = Axis("added at p99.9, ms", log=True, perfect=perfect, mark="the median")
    caption = (
        "One request in a thousand waits longer than that beyond its own delay. The tick is what "
        "is added to the median one. All services get the same requests."
    )
    alt = f"added to {said(first)} at p99.9, in ms: {bars.said(drawn)}"
    title = f"Added to {kind_of(first)} delays"
    spec = bars.chart(part, drawn, axis)
    return Chart(f"{part.prefix}tail-{name}", title, caption, alt, spec)


def _bar(name: str, row: Summary | None) -> Bar:
    if row is None:
        return Bar(name, None, "not measured")
    note = "starved" if row.starved else ""
    median = valid_median(row, "added_p50_ms")
    return Bar(name, getattr(row, RANKED_BY), facts.state(row), note, median)


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        (
            "added",
            "The response time from the instant a request was due, less the delay that its own "
            "call was to take. All services get the same requests with the same delays, in the "
            "same order.",
        ),
        arriving.KEEPS_UP,
    ),
)
