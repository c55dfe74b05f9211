"""Tables of a report and their cells: text, the same for HTML and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from loadtests.record import Point, Run, Spread, Summary
from loadtests.report.results import facts
from loadtests.report.results.facts import NOTHING, number
from loadtests.report.results.parts import Derived, Part
from loadtests.report.results.ranking import Ranking

CANNOT = "—"
INVALID = " (invalid)"

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """The text of a cell, with the lowest and the highest round where they differ.

    `mark` says of a service what it is, where it is not what people run.
    """

    text: str
    spread: str = ""
    number: bool = False
    mark: str = ""


@dataclass(frozen=True)
class Row:
    """Cells in the order of the columns, of which the first names the row; `state` as in facts.

    A link to the row has its `anchor`.
    """

    cells: list[Cell]
    state: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class Table:
    """Columns have a name and a unit, which may be empty."""

    caption: str
    columns: list[tuple[str, str]]
    rows: list[Row]

    def numeric(self, index: int) -> bool:
        """Whether a column holds numbers."""
        return any(row.cells[index].number for row in self.rows)

    def without_empty(self, keep: Container[str] = ()) -> Table:
        """The table less the columns in which no row has anything, but for those of `keep`."""
        kept = [
            index
            for index in range(len(self.columns))
            if self.columns[index][0] in keep
            or any(row.cells[index].text != NOTHING for row in self.rows)
        ]
        rows = [Row([row.cells[index] for index in kept], row.state) for row in self.rows]
        return Table(self.caption, [self.columns[index] for index in kept], rows)


WHOLE = "{:,g}".format  # writes numbers that count things, and halves of two rounds
# A column: name, unit, and what stands in it for an item of the table.
Column = tuple[str, str, Callable[[T], Cell]]


def table(
    caption: str, columns: list[Column[T]], items: Iterable[T], state: Callable[[T], str]
) -> Table:
    """A row for each item."""
    rows = [Row([cell(item) for _, _, cell in columns], state(item)) for item in items]
    return Table(caption, [(name, unit) for name, unit, _ in columns], rows)


def by_service(
    caption: str,
    columns: list[Column[str]],
    services: Iterable[str],
    state: Callable[[str], str],
    part: Part,
) -> Table:
    """A row for each service, of dashes for who was not measured (state "missing") or cannot."""
    head: Column[str] = ("service", "", lambda name: _titled(name, state(name), part.marks))

    def measured(cell: Callable[[str], Cell]) -> Callable[[str], Cell]:
        def shown(name: str) -> Cell:
            if state(name) == "missing":
                return figure(None)
            found = cell(name)
            # A remark on the whole row need not be repeated in its cells.
            return replace(found, text=found.text.removesuffix(INVALID)) if state(name) else found

        return shown

    every = [head, *((name, unit, measured(cell)) for name, unit, cell in columns)]
    made = table(caption, every, services, state)
    blank = [Cell(CANNOT, number=True)] * len(columns)
    rows = [Row([_titled(name, "", part.marks), *blank], "missing") for name in part.cannot]
    return Table(caption, made.columns, made.rows + rows)


def by_summary(
    caption: str,
    columns: list[Column[Summary]],
    services: Iterable[str],
    rows: Mapping[str, Summary],
    part: Part,
) -> Table:
    """As `by_service`, from one summary of each."""

    def state(name: str) -> str:
        return facts.state(rows[name]) if name in rows else "missing"

    def of(cell: Callable[[Summary], Cell]) -> Callable[[str], Cell]:
        return lambda name: cell(rows[name])

    named = [(name, unit, of(cell)) for name, unit, cell in columns]
    return by_service(caption, named, services, state, part)


def text(value: Any) -> Cell:
    """Words."""
    return Cell(str(value))


def place(ranking: Ranking, name: str) -> Cell:
    """A service's place among the others."""
    return Cell(ranking.place(name), number=True)


def count(value: int | None) -> Cell:
    """A whole number, in full."""
    return Cell(NOTHING if value is None else f"{value:,}", number=True)


def figure(value: float | None, scale: float = 1, note: str = "") -> Cell:
    """A measured number."""
    if value is None:
        return Cell(NOTHING, number=True)
    return Cell(number(value * scale) + note, number=True)


def spread(
    value: Spread | Derived | None,
    scale: float = 1,
    note: str = "",
    write: Callable[[float], str] = number,
) -> Cell:
    """A median with its lowest and highest round."""
    if isinstance(value, Derived):
        note += "" if value.valid else INVALID
        value = value.spread
    if value is None:
        return Cell(NOTHING, number=True)
    ends = [write(value.min * scale), write(value.max * scale)]
    shown = write(value.median * scale) + note
    return Cell(shown, "" if ends[0] == ends[1] else "–".join(ends), number=True)


def shown(row: Summary, field: str, scale: float = 1, note: str = "") -> Cell:
    """A figure of a summary: ≥ where it is bound, and why a response time is not there.

    Of too few answers for a percentile it is the longest.
    """
    if longest := row.longest(field):
        found = spread(longest, scale, note)
        return replace(found, text=f"max {found.text}")
    if getattr(row, field) is None:
        return Cell(NOTHING, "starved" if row.starved else row.bound and "bound", number=True)
    cell = spread(getattr(row, field), scale, note)
    beside = filter(None, [cell.spread, facts.served(row) if field == "rps" else ""])
    return replace(cell, text=facts.at_least(row, field) + cell.text, spread=", ".join(beside))


def of_summary(row: Summary | None, field: str, scale: float = 1) -> Cell:
    """A figure of one summary among several in a row, with what is wrong with that one."""
    if row is None:
        return figure(None)
    state = facts.state(row)
    if state and getattr(row, field) is None:
        return Cell(state, number=True)
    return shown(row, field, scale, f" ({state})" if state else "")


def service(name: str, part: Part) -> Cell:
    """A service, in a table that is not of services."""
    return _titled(name, "", part.marks)


def named(run: Run) -> Callable[[Summary | Point], Cell]:
    """The service of a row, with what is wrong with the row."""
    marks = facts.marks(run)
    return lambda row: _titled(row.service, facts.state(row), marks)


def _titled(name: str, state: str, marks: Mapping[str, str]) -> Cell:
    shown = {"missing": "not measured"}.get(state, state)
    return Cell(f"{name} ({shown})" if shown else name, mark=marks.get(name, ""))


def mapping(
    caption: str,
    keys: tuple[str, ...],
    items: Mapping[str, Mapping[str, Any]],
    marks: Mapping[str, str],
) -> Table:
    """A row for each service with what it has under the keys."""
    rows = [
        Row([_titled(name, "", marks), *(value(item.get(key)) for key in keys)])
        for name, item in items.items()
    ]
    return Table(caption, [(name.replace("_", " "), "") for name in ("service", *keys)], rows)


def pairs(
    caption: str,
    names: tuple[str, str],
    items: Mapping[str, Any],
    marks: Mapping[str, str] | None = None,
) -> Table:
    """A row for each key and its value."""
    rows = [
        Row([Cell(key.replace("_", " "), mark=(marks or {}).get(key, "")), value(item)])
        for key, item in items.items()
    ]
    return Table(caption, [(name, "") for name in names], rows)


def value(item: Any) -> Cell:
    """Any value of the record, on one line."""
    if item is None or item == "":
        return Cell(NOTHING)
    if isinstance(item, bool):
        return Cell("yes" if item else "no")
    if isinstance(item, int | float):
        return Cell(f"{item:,.10g}", number=True)
    if isinstance(item, Mapping):
        return Cell(", ".join(f"{key} {value(inner).text}" for key, inner in item.items()))
    if isinstance(item, list | tuple):
        return Cell(", ".join(value(inner).text for inner in item))
    return Cell(str(item))
