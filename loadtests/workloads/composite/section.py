"""Pages put together from 12 calls and 5 burns: what a service adds to the critical path."""

from __future__ import annotations

from loadtests.record import Summary
from loadtests.report.charts import dots
from loadtests.report.charts.bars import Axis
from loadtests.report.charts.chart import Chart
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Part, valid_median
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import Section
from loadtests.report.tables.cells import (
    Column,
    Table,
    by_summary,
    figure,
    place,
    shown,
    spread,
)
from loadtests.report.tables.common import MIB
from loadtests.workloads.composite import KIND

DELAYS = KIND.waits


def _ranked(part: Part, scenario: str) -> list[str]:
    found = part.rows(scenario)
    return part.services(lambda name: valid_median(found.get(name), "p50_ms"))


def _ranking(part: Part, scenario: str) -> Ranking:
    return ranking.of_scenario(part, scenario, "p50_ms", _ranked(part, scenario))


def _path_s(row: Summary) -> float:
    return DELAYS * row.delay_s


def finding(part: Part) -> str:
    """Whose pages took the least and the most beside the critical path."""
    row = facts.top(part.run)
    if row is None:
        return ""
    medians = {
        name: facts.milliseconds(value)
        for name, found in part.rows(row.scenario).items()
        if (value := valid_median(found, "p50_ms")) is not None
    }
    load = facts.workload(row.users, row.delay_s)
    said = ranking.contrast(_ranking(part, row.scenario), medians, "the least", "the most")
    path = facts.seconds(_path_s(row))
    return said and f"At {load} the critical path of a page is {path}; its p50 is {said}."


def tables(part: Part) -> list[Table]:
    """One for each number of users."""
    return [_table(part, scenario) for scenario in part.scenarios()]


def _table(part: Part, scenario: str) -> Table:
    found, order = part.rows(scenario), _ranking(part, scenario)
    one = next(iter(found.values()))
    path_ms = _path_s(one) * 1000

    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("response time p50", "ms", lambda row: shown(row, "p50_ms")),
        ("response time p99", "ms", lambda row: shown(row, "p99_ms")),
        ("p50 ÷ critical path", "", lambda row: shown(row, "p50_ms", 1 / path_ms)),
        ("requests/s", "", lambda row: shown(row, "rps")),
        ("ceiling", "requests/s", lambda row: figure(row.ceiling_rps or None)),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: spread(row.pss_bytes, 1 / MIB)),
    ]
    caption = f"At {facts.workload(one.users, one.delay_s)}"
    return by_summary(caption, columns, _ranked(part, scenario), found, part)


def charts(part: Part) -> list[Chart]:
    """One for each number of users: p50 and p99 against the line of three delays."""
    return [_chart(part, scenario) for scenario in part.scenarios()]


def _chart(part: Part, scenario: str) -> Chart:
    found = part.rows(scenario)
    one = next(iter(found.values()))
    drawn = [
        dots.of_summaries(name, found.get(name), found.get(name), ("p50_ms", "p99_ms"))
        for name in _ranked(part, scenario)
    ]
    name = f"{part.prefix}response-{one.users}-users"
    load = facts.workload(one.users, one.delay_s)
    caption = (
        f"The dashed line is the critical path: {DELAYS} delays, {facts.seconds(_path_s(one))}. "
        "What is beyond it a page spent computing, or in line for the CPU, a thread or a "
        "connection. Who can wait for one call only makes the twelve one after the other."
    )
    axis = Axis("response time, ms", limit=_path_s(one) * 1000)
    spec = dots.chart(part, drawn, ("p50", "p99"), axis)
    alt = f"response time p50 and p99, ms, at {load}: {dots.said(drawn)}"
    return Chart(name, f"Response time of a page at {load}", caption, alt, spec)


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        (
            "critical path",
            "Of a page's 12 calls three have to follow one after the other: three delays. Nobody "
            "can be faster.",
        ),
    ),
)
