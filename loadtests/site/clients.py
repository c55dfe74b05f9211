"""The matrix of frameworks and clients: requests/s and CPU per request of each pair."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.report.results import variants
from loadtests.report.tables.cells import Cell, Row, Table
from loadtests.site.measured import STATE, Shown, has_figures

KIND = "clients"


@dataclass(frozen=True)
class Place:
    """A framework with a client: the service that is made of them, and its figure."""

    service: str
    cell: Cell
    state: str


@dataclass(frozen=True)
class Matrix:
    """A figure of each framework, with its server and way of waiting, by the client."""

    figure: str
    unit: str
    clients: list[str]
    rows: dict[str, list[Place | None]]


def of(shown: Shown) -> list[Matrix]:
    """A matrix for each figure of the table by service: the most loaded first."""
    part = shown.told.part
    table = next(iter(shown.told.tables), None)
    if table is None or not part.run.summary:
        return []
    families = variants.members(part)
    clients = _clients(variants.client(part, name) for names in families.values() for name in names)
    figures = [place for place in range(1, len(table.columns)) if has_figures(table, place)]
    found = []
    for column in figures:
        of_service = _column(table, column)
        rows = {
            title: _row({variants.client(part, n): of_service.get(n) for n in names}, clients)
            for title, names in families.items()
        }
        found.append(Matrix(*table.columns[column], clients, rows))
    return found


def _clients(names: Iterable[str]) -> list[str]:
    """By how many frameworks have them; “bare” last."""
    found = list(names)
    return sorted(set(found), key=lambda one: (one == variants.BARE, -found.count(one), one))


def _column(table: Table, column: int) -> dict[str, Place]:
    return {name: Place(name, row.cells[column], row.state) for name, row in _by_name(table)}


def _by_name(table: Table) -> Iterable[tuple[str, Row]]:
    return ((row.cells[0].text.partition(STATE)[0], row) for row in table.rows)


def _row(places: dict[str, Place | None], clients: list[str]) -> list[Place | None]:
    return [places.get(client) for client in clients]
