"""Pages put together from 12 calls and 5 burns: what a service adds to the critical path."""

from __future__ import annotations

from loadtests.bench.kinds import KINDS
from loadtests.record import Summary
from loadtests.report import canvas, facts, ranking, rows
from loadtests.report.canvas import Chart
from loadtests.report.cells import LOWER_BOUND, Column, Table, by_summary, figure, place, spread
from loadtests.report.parts import Part, valid_median
from loadtests.report.ranking import Ranking
from loadtests.report.sections.section import Section
from loadtests.report.tables import MIB

DELAYS = KINDS["composite"].waits


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
    found, low, order = part.rows(scenario), facts.lower_bounds(part.run), _ranking(part, scenario)
    one = next(iter(found.values()))
    path_ms = _path_s(one) * 1000

    def note(row: Summary) -> str:
        return LOWER_BOUND if (row.service, row.scenario) in low else ""

    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("response time p50", "ms", lambda row: spread(row.p50_ms, note=note(row))),
        ("response time p99", "ms", lambda row: spread(row.p99_ms, note=note(row))),
        ("p50 ÷ critical path", "", lambda row: spread(row.p50_ms, 1 / path_ms, note(row))),
        ("requests/s", "", lambda row: spread(row.rps)),
        ("ceiling", "requests/s", lambda row: figure(row.ceiling_rps or None)),
        ("CPU per request", "ms", lambda row: spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: spread(row.rss_bytes, 1 / MIB)),
    ]
    caption = f"At {facts.workload(one.users, one.delay_s)}"
    return by_summary(caption, columns, _ranked(part, scenario), found, part)


def charts(part: Part) -> list[Chart]:
    """One for each number of users: p50 and p99 against the line of three delays."""
    return [_chart(part, scenario) for scenario in part.scenarios()]


def _chart(part: Part, scenario: str) -> Chart:
    found = part.rows(scenario)
    one = next(iter(found.values()))
    dots = [
        rows.dots(name, found.get(name), found.get(name), ("p50_ms", "p99_ms"))
        for name in _ranked(part, scenario)
    ]
    name = f"{part.prefix}response-{one.users}-users"
    load = facts.workload(one.users, one.delay_s)
    caption = (
        f"The dashed line is the critical path: {DELAYS} delays, {facts.seconds(_path_s(one))}. "
        "What is beyond it a page spent computing, or in line for the CPU, a thread or a "
        "connection. Who can wait for one call only makes the twelve one after the other."
    )
    svg = canvas.svg(
        lambda: rows.dumbbells(
            {"": [*dots, *rows.unable(part.cannot)]}, ("p50", "p99"), "response time, ms",
            _path_s(one) * 1000,
        ),
        name,
    )  # fmt: skip
    alt = f"response time p50 and p99, ms, at {load}: {rows.said(dots)}"
    return Chart(name, f"Response time of a page at {load}", caption, alt, svg)


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
