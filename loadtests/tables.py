"""The tables of a report as text, the same for HTML and Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from loadtests import facts
from loadtests.facts import NOTHING, number
from loadtests.record import Point, Run, Spread, Summary

MIB = 2**20
LOWER_BOUND = "†"

T = TypeVar("T")


@dataclass(frozen=True)
class Cell:
    """What stands in a table, with the lowest and the highest round where they differ."""

    text: str
    spread: str = ""
    number: bool = False


@dataclass(frozen=True)
class Row:
    """Cells in the order of the columns, of which the first names the row; `state` as in facts."""

    cells: list[Cell]
    state: str = ""


@dataclass(frozen=True)
class Table:
    """Columns have a name and a unit, which may be empty."""

    caption: str
    columns: list[tuple[str, str]]
    rows: list[Row]

    def numeric(self, index: int) -> bool:
        """Whether a column holds numbers."""
        return any(row.cells[index].number for row in self.rows)


# A column: name, unit, and what stands in it for an item of the table.
Column = tuple[str, str, Callable[[T], Cell]]


def _table(
    caption: str, columns: list[Column[T]], items: Iterable[T], state: Callable[[T], str]
) -> Table:
    rows = [Row([cell(item) for _, _, cell in columns], state(item)) for item in items]
    return Table(caption, [(name, unit) for name, unit, _ in columns], rows)


def _text(value: Any) -> Cell:
    return Cell(str(value))


def _count(value: int) -> Cell:
    return Cell(f"{value:,}", number=True)


def _number(value: float | None, scale: float = 1, note: str = "") -> Cell:
    if value is None:
        return Cell(NOTHING, number=True)
    return Cell(number(value * scale) + note, number=True)


def _spread(spread: Spread | None, scale: float = 1, note: str = "") -> Cell:
    if spread is None:
        return Cell(NOTHING, number=True)
    ends = [number(spread.min * scale), number(spread.max * scale)]
    text = number(spread.median * scale) + note
    return Cell(text, "" if ends[0] == ends[1] else "–".join(ends), number=True)


def _named(row: Summary | Point) -> Cell:
    state = facts.state(row)
    return Cell(f"{row.service} ({state})" if state else row.service)


def headline(run: Run) -> Table | None:
    """One row a service in the scenario of the most users; None where nothing was measured."""
    best = facts.top(run)
    if best is None:
        return None
    low = facts.lower_bounds(run)

    def note(row: Summary) -> str:
        return LOWER_BOUND if (row.service, row.scenario) in low else ""

    columns: list[Column[Summary]] = [
        ("service", "", _named),
        ("requests/s", "", lambda row: _spread(row.rps)),
        ("ceiling", "requests/s", lambda row: _number(row.ceiling_rps or None)),
        ("of ceiling", "%", lambda row: _spread(row.efficiency, 100)),
        ("response time p50", "ms", lambda row: _spread(row.p50_ms, note=note(row))),
        ("response time p99", "ms", lambda row: _spread(row.p99_ms, note=note(row))),
        ("CPU per request", "ms", lambda row: _spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: _spread(row.rss_bytes, 1 / MIB)),
    ]
    rows = facts.headline_rows(run)
    names = facts.ranked(run)
    table = _table(
        f"At {facts.workload(best.users, best.delay_s)}",
        columns,
        [rows[name] for name in names if name in rows],
        facts.state,
    )
    blanks = [Cell(NOTHING, number=True)] * (len(columns) - 1)
    missing = [
        Row([Cell(f"{n} (not measured)"), *blanks], "missing") for n in names if n not in rows
    ]
    return Table(table.caption, table.columns, table.rows + missing)


def full(run: Run) -> Table:
    """One row a service × scenario with everything that was measured."""
    low = facts.lower_bounds(run)
    unfinished: dict[tuple[str, str], int] = {}
    for point in run.points:
        key = (point.service, point.scenario)
        unfinished[key] = unfinished.get(key, 0) + point.unfinished

    def time(name: str) -> Callable[[Summary], Cell]:
        return lambda row: _spread(
            getattr(row, name), note=LOWER_BOUND if (row.service, row.scenario) in low else ""
        )

    columns: list[Column[Summary]] = [
        ("service", "", _named),
        ("users", "", lambda row: _count(row.users)),
        ("delay", "", lambda row: Cell(facts.seconds(row.delay_s), number=True)),
        ("valid rounds", "", lambda row: Cell(f"{row.valid_rounds}/{row.rounds}", number=True)),
        ("requests/s", "", lambda row: _spread(row.rps)),
        ("ceiling", "requests/s", lambda row: _number(row.ceiling_rps or None)),
        ("bound by", "", lambda row: _text(row.binding.replace("_", " ") or NOTHING)),
        ("of ceiling", "%", lambda row: _spread(row.efficiency, 100)),
        ("p50", "ms", time("p50_ms")),
        ("p90", "ms", time("p90_ms")),
        ("p99", "ms", time("p99_ms")),
        ("max", "ms", time("max_ms")),
        ("CPU per request", "ms", lambda row: _spread(row.cpu_ms_per_request)),
        ("memory", "MiB", lambda row: _spread(row.rss_bytes, 1 / MIB)),
        ("requests", "", lambda row: _count(row.requests)),
        ("failures", "", lambda row: _count(row.failures)),
        ("unfinished", "", lambda row: _count(unfinished[row.service, row.scenario])),
    ]
    place = {name: position for position, name in enumerate(facts.ranked(run))}
    rows = sorted(run.summary, key=lambda row: (place[row.service], row.delay_s, row.users))
    return _table("Every service in every scenario", columns, rows, facts.state)


def points(run: Run) -> Table:
    """Every point in the order in which it was measured."""
    columns: list[Column[Point]] = [
        ("service", "", _named),
        ("scenario", "", lambda point: _text(point.scenario)),
        ("round", "", lambda point: _count(point.round)),
        ("users", "", lambda point: _count(point.users)),
        ("delay", "", lambda point: Cell(facts.seconds(point.delay_s), number=True)),
        ("window", "s", lambda point: _number(point.duration_s)),
        ("requests", "", lambda point: _count(point.requests)),
        ("failures", "", lambda point: _count(point.failures)),
        ("unfinished", "", lambda point: _count(point.unfinished)),
        ("backend calls", "", lambda point: _count(point.backend_calls)),
        ("requests/s", "", lambda point: _number(point.rps)),
        ("ceiling", "requests/s", lambda point: _number(point.ceiling_rps or None)),
        ("of ceiling", "%", lambda point: _number(point.efficiency, 100)),
        ("p50", "ms", lambda point: _number(point.p50_ms)),
        ("p90", "ms", lambda point: _number(point.p90_ms)),
        ("p99", "ms", lambda point: _number(point.p99_ms)),
        ("max", "ms", lambda point: _number(point.max_ms)),
        ("CPU per request", "ms", lambda point: _number(point.cpu_ms_per_request)),
        ("memory", "MiB", lambda point: _number(point.rss_bytes, 1 / MIB)),
        ("generator busy", "%", lambda point: _number(point.generator_cpu, 100)),
        ("remarks", "", lambda point: _text("; ".join(_remarks(point)))),
    ]
    return _table("Every point, in the order of measurement", columns, run.points, facts.state)


def _remarks(point: Point) -> list[str]:
    kinds = [f"{kind}: {n:,}" for kind, n in sorted(point.failure_kinds.items())]
    return [*point.invalid_because, *kinds]


def services(run: Run) -> list[Table]:
    """What each service is made of, and the settings and versions it reported."""
    made_of = ("title", "framework", "server", "client", "model", "waits")
    infos = {name: about.get("info") or {} for name, about in sorted(run.services.items())}
    return [
        _mapping("What the services are", made_of, dict(sorted(run.services.items()))),
        _mapping("Effective settings, as each service reported them", _settings(infos), infos),
        _pairs(
            "Installed versions, as each service reported them",
            ("service", "versions"),
            {name: info.get("versions") or NOTHING for name, info in infos.items()},
        ),
    ]


def _settings(infos: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    keys = dict.fromkeys(key for info in infos.values() for key in info)
    return tuple(key for key in keys if key not in ("service", "versions"))


def _mapping(caption: str, keys: tuple[str, ...], items: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = [
        Row([Cell(name), *(_value(item.get(key)) for key in keys)]) for name, item in items.items()
    ]
    return Table(caption, [(name.replace("_", " "), "") for name in ("service", *keys)], rows)


def _pairs(caption: str, names: tuple[str, str], items: Mapping[str, Any]) -> Table:
    rows = [Row([Cell(key.replace("_", " ")), _value(value)]) for key, value in items.items()]
    return Table(caption, [(name, "") for name in names], rows)


def surroundings(run: Run) -> list[Table]:
    """The machine and the workload, as they were recorded."""
    memory = {"memory": f"{number(run.machine['memory_bytes'] / 2**30)} GiB"}
    machine = {key: value for key, value in run.machine.items() if key != "memory_bytes"}
    return [
        _pairs("Machine", ("of the machine", ""), machine | memory),
        _pairs(f"Workload: the profile {run.profile}", ("setting", ""), run.workload),
    ]


def _value(value: Any) -> Cell:
    """Any value of the record, on one line."""
    if value is None:
        return Cell(NOTHING)
    if isinstance(value, bool):
        return Cell("yes" if value else "no")
    if isinstance(value, int | float):
        return Cell(f"{value:,.10g}", number=True)
    if isinstance(value, Mapping):
        return Cell(", ".join(f"{key} {_value(inner).text}" for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return Cell(", ".join(_value(inner).text for inner in value))
    return Cell(str(value))
