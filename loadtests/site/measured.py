"""The newest result of each profile on each machine, as the pages tell it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from loadtests.record import Run
from loadtests.report import build
from loadtests.report.build import Told
from loadtests.report.results import facts
from loadtests.report.results.parts import Part
from loadtests.report.results.stored import Entry, Results
from loadtests.report.tables import common
from loadtests.report.tables.cells import Cell, Row, Table
from loadtests.site.pages import slug

STATE = " ("  # what follows the name of a service in a cell that says more than its name


@dataclass(frozen=True)
class Shown:
    """A profile on a machine: the run it is from, and what its report tells of it."""

    entry: Entry
    told: Told

    @property
    def name(self) -> str:
        return self.told.part.name

    @property
    def run(self) -> Run:
        """The run with nothing else in it."""
        return self.told.part.run

    @property
    def machine(self) -> str:
        return _machine(self.run)

    @property
    def anchor(self) -> str:
        """Its id within the page of its profile."""
        return slug(self.machine)

    def chart(self, name: str) -> str:
        """The name of one of its charts among those of the whole site."""
        return slug(f"{self.name}-{self.machine}-{name}")

    def of(self, *services: str) -> list[Table]:
        """The tables without the rows of other services; those that do not have all are left out.

        A row of a pair has both in it.
        """
        found = (_only(table, services) for table in self.told.tables)
        return [table for table in found if table]

    def figures(self, service: str) -> Table | None:
        """Every figure of a service, by scenario."""
        rows = [row for row in self.run.summary if row.service == service]
        if not rows:
            return None
        part = replace(self.told.part, run=replace(self.run, summary=rows))
        full = common.full(part)
        named = [Row([_with_state(row), *row.cells[2:]], row.state) for row in full.rows]
        caption = f"Every figure of {service} in {self.name}"
        return Table(caption, full.columns[1:], named).without_empty()


def newest(results: Results) -> dict[str, list[Shown]]:
    """By profile, of each machine the newest that is complete, or else the newest."""
    found: dict[tuple[str, str], tuple[Entry, Part]] = {}
    for entry in results.entries:
        for part in entry.parts:
            key = (part.name, _machine(part.run))
            if key not in found or (_is_complete(part) and not _is_complete(found[key][1])):
                found[key] = (entry, part)
    shown: dict[str, list[Shown]] = {}
    for (name, _), (entry, part) in sorted(found.items(), key=_by_age, reverse=True):
        shown.setdefault(name, []).append(Shown(entry, build.tell(part.run)[0]))
    return dict(sorted(shown.items()))


def with_services(shown: dict[str, list[Shown]], *services: str) -> Iterator[Shown]:
    """Those in which all of the services were measured."""
    for of_profile in shown.values():
        for one in of_profile:
            if set(services) <= {row.service for row in one.run.summary}:
                yield one


def has_figures(table: Table, column: int) -> bool:
    """Whether numbers stand in a column; a dash in place of a word is none."""
    cells = (row.cells[column] for row in table.rows)
    return any(cell.number and cell.text != facts.NOTHING for cell in cells)


def _by_age(found: tuple[tuple[str, str], tuple[Entry, Part]]) -> tuple[str, str]:
    (_, machine), (_, part) = found
    return part.run.started_at, machine


def _machine(run: Run) -> str:
    return f"{run.machine['name']}, {facts.runtime(run)}"


def _is_complete(part: Part) -> bool:
    return bool(part.run.finished_at and part.run.points)


def _only(table: Table, services: tuple[str, ...]) -> Table | None:
    pairs = [row for row in table.rows if all(_names(row, name) for name in services)]
    single = [row for row in table.rows if any(_begins(row.cells[0], name) for name in services)]
    if pairs:
        return replace(table, rows=pairs)
    has_all = all(any(_begins(row.cells[0], name) for row in single) for name in services)
    return replace(table, rows=single) if single and has_all else None


def _names(row: Row, service: str) -> bool:
    return any(_begins(cell, service) for cell in row.cells)


def _begins(cell: Cell, service: str) -> bool:
    return cell.text == service or cell.text.startswith(service + STATE)


def _with_state(row: Row) -> Cell:
    """The cell behind the service's name, which is left out, with what is wrong with the row."""
    return replace(row.cells[1], mark=row.state)
