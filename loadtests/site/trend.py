"""The figures of the last suites beside each other, by service, with their commits."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.record import fingerprint
from loadtests.report import sections
from loadtests.report.results import facts
from loadtests.report.results.parts import Part
from loadtests.report.results.stored import SUITE, Entry, Results
from loadtests.report.tables.cells import Cell, Row, Table
from loadtests.site.measured import has_figures

MOST = 5
NO_FIGURES = ("place",)  # columns of numbers that are none of the service's
Figures = dict[tuple[str, str, str], Cell]  # by service, figure and unit


@dataclass(frozen=True)
class Trend:
    """Suites of one machine in one state, the oldest first, and a table for each profile.

    One suite alone says nothing over time, and has no tables.
    """

    suites: list[Entry]
    tables: dict[str, Table]


def of(results: Results) -> list[Trend]:
    """The last suites: those that may stand together in one table each, the newest first."""
    suites = [one for one in results.entries if one.run.profile == SUITE and one.run.points]
    groups: list[list[Entry]] = []
    for entry in suites[:MOST]:
        alike = (g for g in groups if not fingerprint.differences(g[0].run, entry.run))
        group = next(alike, None)
        if group is None:
            groups.append([entry])
        else:
            group.append(entry)
    return [_trend(group[::-1]) for group in groups]


def _trend(suites: list[Entry]) -> Trend:
    if len(suites) == 1:
        return Trend(suites, {})
    by_profile: dict[str, list[Figures]] = {}
    for place, entry in enumerate(suites):
        for part in entry.parts:
            columns = by_profile.setdefault(part.name, [{} for _ in suites])
            columns[place] = _figures(part)
    tables = {name: _table(name, suites, columns) for name, columns in by_profile.items()}
    return Trend(suites, {name: table for name, table in tables.items() if table.rows})


def _figures(part: Part) -> Figures:
    """The cells of the first table of a part's report that has a row for each service."""
    table = next(iter(sections.of(part).tables(part)), None)
    if table is None:
        return {}
    services = facts.services(part.run)
    found: Figures = {}
    for row in table.rows:
        service = row.cells[0].text.partition(" (")[0]
        if service in services:
            columns = zip(table.columns[1:], row.cells[1:], strict=True)
            for place, ((name, unit), cell) in enumerate(columns, 1):
                if has_figures(table, place) and name not in NO_FIGURES:
                    found[service, name, unit] = cell
    return found


def _table(name: str, suites: list[Entry], columns: list[Figures]) -> Table:
    keys = sorted({key for column in columns for key in column}, key=lambda key: key[0])
    order = list(dict.fromkeys(key for column in columns for key in column))
    keys.sort(key=lambda key: (key[0], order.index(key)))
    blank = Cell(facts.NOTHING, number=True)
    rows = [
        Row(
            [
                Cell(service),
                Cell(f"{figure}, {unit}" if unit else figure),
                *(column.get((service, figure, unit), blank) for column in columns),
            ]
        )
        for service, figure, unit in keys
    ]
    heads = [(facts.when(one.started_at), f"commit {one.run.commit[:8]}") for one in suites]
    return Table(f"{name} over the suites", [("service", ""), ("figure", ""), *heads], rows)
