"""Frameworks and their clients: requests/s and CPU per request of each pair, a row a client."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.report.results import variants
from loadtests.report.tables.cells import Cell
from loadtests.site.measured import STATE, Shown, has_figures

KIND = "clients"


@dataclass(frozen=True)
class Client:
    """A client with a framework: the service that is made of them, and its figures."""

    name: str
    service: str
    cells: list[Cell]
    state: str


@dataclass(frozen=True)
class Clients:
    """The names and units of figures, and each framework's clients, the most loaded first.

    A framework stands with its server and way of waiting, where it has several of them.
    """

    figures: list[tuple[str, str]]
    frameworks: dict[str, list[Client]]


def of(shown: Shown) -> Clients:
    """The figures of the table by service."""
    part = shown.told.part
    table = next(iter(shown.told.tables), None)
    if table is None or not part.run.summary:
        return Clients([], {})
    columns = [place for place in range(1, len(table.columns)) if has_figures(table, place)]
    rows = {row.cells[0].text.partition(STATE)[0]: row for row in table.rows}
    frameworks = {
        title: [
            Client(
                variants.client(part, name),
                name,
                [rows[name].cells[column] for column in columns],
                rows[name].state,
            )
            for name in names
            if name in rows
        ]
        for title, names in variants.members(part).items()
    }
    return Clients([table.columns[column] for column in columns], frameworks)
