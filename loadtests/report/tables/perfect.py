"""The perfect service in the tables: a row of its own, without a place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from loadtests.report.results.facts import NOTHING
from loadtests.report.results.parts import Part
from loadtests.report.tables.cells import INVALID, Cell, Row, Table, figure

PERFECT = "perfect service (no service at all)"


def with_perfect(table: Table, part: Part, columns: Mapping[str, tuple[str, str]]) -> Table:
    """The table with a last row for the perfect service, where it was measured.

    `columns` has by their names scenario and figure.
    """
    known = {
        name: _cell(part.perfect(scenario), field) for name, (scenario, field) in columns.items()
    }
    if all(cell.text == NOTHING for cell in known.values()):
        return table
    blank = Cell(NOTHING, number=True)
    row = Row([Cell(PERFECT), *(known.get(name, blank) for name, _ in table.columns[1:])])
    return replace(table, rows=[*table.rows, row])


def _cell(about: Mapping[str, Any], field: str) -> Cell:
    scale = 100 if field == "efficiency" else 1
    return figure(about.get(field), scale, "" if about.get("valid", True) else INVALID)
