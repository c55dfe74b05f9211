"""The newest results of each profile on each machine, as the pages tell them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from loadtests.record import Run, noise
from loadtests.report import build
from loadtests.report.build import Told
from loadtests.report.results import facts
from loadtests.report.results.parts import Part
from loadtests.report.results.stored import Entry, Results
from loadtests.report.tables import common
from loadtests.report.tables.cells import Cell, Row, Table
from loadtests.site.pages import slug

# The effect of a fault and the wait for a slot do not drift with the machine, as speed does.
STEADY = ("faults", "pool")
STATE = " ("  # what follows the name of a service in a cell that says more than its name


@dataclass(frozen=True)
class Shown:
    """A profile on a machine: the run it is from, and what its report tells of it.

    An `older` one has services that the first of its machine does not have.
    """

    entry: Entry
    told: Told
    older: bool = False

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
    def title(self) -> str:
        """Its machine; and its time, which tells an older one from the newest."""
        return f"{self.machine}, {facts.when(self.run.started_at)}" if self.older else self.machine

    @property
    def anchor(self) -> str:
        """Its id within the page of its profile."""
        return slug(self.title)

    @property
    def services(self) -> set[str]:
        """The services that were measured."""
        return _services(self.told.part)

    def chart(self, name: str) -> str:
        """The name of one of its charts among those of the whole site."""
        return slug(f"{self.name}-{self.title}-{name}")

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
    """By profile, of each machine the newest that is complete, or else the newest.

    Of a kind that is `STEADY` one that has less than another comes last. The newest of those
    services that the first does not have are there, too. Plain runs stand first.
    """
    found: dict[tuple[str, str], list[tuple[Entry, Part]]] = {}
    for entry in results.entries:
        for part in entry.parts:
            found.setdefault((part.name, _machine(part.run)), []).append((entry, part))
    shown: dict[str, list[Shown]] = {}
    for (name, _), pairs in found.items():
        for entry, part, older in _chosen(pairs):
            told = build.tell(part.run)[0]
            told = replace(told, charts=[]) if older else told  # they are large
            shown.setdefault(name, []).append(Shown(entry, told, older))
    for of_profile in shown.values():
        of_profile.sort(key=_rank, reverse=True)
    return dict(sorted(shown.items()))


def _chosen(pairs: list[tuple[Entry, Part]]) -> Iterator[tuple[Entry, Part, bool]]:
    """The first that is complete, and each other with a service that none before it has."""
    known: set[str] = set()
    every = [_tried(part) for _, part in pairs]

    def rank(pair: tuple[Entry, Part]) -> tuple[bool, bool]:
        part, own = pair[1], _tried(pair[1])
        return not _is_complete(part), part.kind in STEADY and any(own < other for other in every)

    for place, (entry, part) in enumerate(sorted(pairs, key=rank)):
        services = _services(part)
        if not place or services - known:
            yield entry, part, bool(place)
        known |= services


def with_services(shown: dict[str, list[Shown]], *services: str) -> list[Shown]:
    """Those in which all of the services were measured; older ones where no other is there."""
    every = [one for of in shown.values() for one in of if one.services.issuperset(services)]
    if newest := [one for one in every if not one.older]:
        return newest
    # Of a profile and machine the first, which is the newest of them.
    return list({(one.name, one.machine): one for one in reversed(every)}.values())[::-1]


def has_figures(table: Table, column: int) -> bool:
    """Whether numbers stand in a column; a dash in place of a word is none."""
    cells = (row.cells[column] for row in table.rows)
    return any(cell.number and cell.text != facts.NOTHING for cell in cells)


def _rank(one: Shown) -> tuple[bool, str, str]:
    """The plain ones highest, and of them the newest."""
    return not facts.variant(one.run), one.run.started_at, one.machine


def _services(part: Part) -> set[str]:
    """Those that were measured, each under its one name."""
    return {row.service for row in part.run.summary} - noise.doubles(part.run).keys()


def _tried(part: Part) -> set[tuple[str, str]]:
    """Each service with each of its scenarios."""
    return {(row.service, row.scenario) for row in part.run.summary}


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
