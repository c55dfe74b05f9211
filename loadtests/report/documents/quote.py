"""A single number of the newest result, as text for a document."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests import catalog
from loadtests.ladder import record as ladder
from loadtests.ladder.climb import RUNGS
from loadtests.record import MEASURES, Spread, Summary
from loadtests.report.results import facts
from loadtests.report.results.parts import Part
from loadtests.report.results.stored import Climbed, Results
from loadtests.report.sections import SECTIONS
from loadtests.report.tables.cells import CANNOT, Cell, Row, Table, count, figure
from loadtests.report.tables.common import MIB


class WrongMarker(ValueError):
    """A marker that means nothing; the text says why."""


@dataclass(frozen=True)
class Unit:
    """The unit of a field: a factor, and the text before and behind the number."""

    scale: float = 1
    behind: str = ""
    before: str = ""


ALL = "all"
MILLISECONDS = Unit(1, " ms")
UNITS = {
    "rps": Unit(),
    "ceiling_rps": Unit(),
    "efficiency": Unit(100, " %"),
    "connection_bytes": Unit(1 / 1024, " KiB"),
    "request_bytes": Unit(1 / 1024, " KiB"),
    "request_threads": Unit(),
    "request_descriptors": Unit(),
    "voluntary_per_request": Unit(),
    "involuntary_per_request": Unit(),
    "kept_rps": Unit(),
    "capacity_rps": Unit(),
    "failed_at_rps": Unit(),
    "pss_bytes": Unit(1 / MIB, " MiB"),
    "descriptors": Unit(),
    "voluntary_switches": Unit(),
    "involuntary_switches": Unit(),
    "closed_p95_ms": MILLISECONDS,
    "open_p95_ms": MILLISECONDS,
    "growth": Unit(before="×"),
    "p50_growth": Unit(before="×"),
    "p99_growth": Unit(before="×"),
    "idle_share": Unit(100, " %"),
    "threads": Unit(),
    "limit_rps": Unit(),
}
DERIVED = {name for section in SECTIONS.values() for name in section.derived}
FIELDS = {*MEASURES, "ceiling_rps", *DERIVED}
LADDER_FIELDS = {*ladder.MEASURED, "limit_rps"}

Shape = Callable[[Spread, str], str]


def _with_unit(spread: Spread, field: str) -> str:
    unit = UNITS.get(field, MILLISECONDS)
    return f"{unit.before}{_plain(spread, field)}{unit.behind}"


def _plain(spread: Spread, field: str) -> str:
    return facts.number(spread.median * UNITS.get(field, MILLISECONDS).scale)


def _range(spread: Spread, field: str) -> str:
    scale = UNITS.get(field, MILLISECONDS).scale
    ends = [facts.number(end * scale) for end in (spread.min, spread.max)]
    return _with_unit(spread, field) + ("" if ends[0] == ends[1] else f" [{'–'.join(ends)}]")


def _seconds(spread: Spread, field: str) -> str:
    if not field.endswith("_ms"):
        raise WrongMarker(f"only milliseconds can be shown as seconds, not {field}")
    return f"{facts.number(spread.median / 1000)} s"


SHAPES: dict[str, Shape] = {
    "unit": _with_unit,
    "plain": _plain,
    "range": _range,
    "seconds": _seconds,
}


def shape(name: str = "unit") -> Shape:
    """How a number is written; WrongMarker lists the formats there are."""
    if name not in SHAPES:
        raise WrongMarker(f"no format {name!r}; there are: {', '.join(SHAPES)}")
    return SHAPES[name]


def of_bench(
    results: Results, profile: str, service: str, where: str, field: str, shape: Shape
) -> str | None:
    """A figure of the newest run of a profile, None where it was not measured.

    A figure that is not valid says so, a lower bound has ≥ before it, the longest time in the
    place of a percentile ≤, and a service that cannot do it has a dash. WrongMarker for an unknown
    service or field, or for a `where` that fits several scenarios.
    """
    newest = results.newest(profile)
    part = newest[1] if newest else None
    known = {*catalog.names(), *(newest[0].run.services if newest else ())}
    if service not in known:
        raise WrongMarker(f"no service {service!r}; there are: {', '.join(sorted(known))}")
    if field not in FIELDS:
        raise WrongMarker(f"no field {field!r}; there are: {', '.join(sorted(FIELDS))}")
    if part is None:
        return None
    if service in part.cannot:
        return CANNOT
    if field in DERIVED:
        return _derived(part, service, where, field, shape)
    row = _row(part, service, where)
    if row is None:
        return None
    value = getattr(row, field)
    if field == "ceiling_rps":
        value = value and Spread(value, value, value)
    if longest := row.longest(field):
        return f"≤ {shape(longest, field)}{_invalid(row.valid)}"
    if value is None:
        return facts.state(row) or ("starved" if row.starved else None)
    return facts.at_least(row, field) + shape(value, field) + _invalid(row.valid)


def _derived(part: Part, service: str, where: str, field: str, shape: Shape) -> str | None:
    kinds = [kind for kind, section in SECTIONS.items() if field in section.derived]
    if part.kind not in kinds:
        raise WrongMarker(f"{field} is a field of {' and '.join(kinds)} only")
    if where != ALL:
        raise WrongMarker(f"{field} comes from all scenarios together: say {ALL!r}, not {where!r}")
    found = SECTIONS[part.kind].derived[field](part, service)
    return shape(found.spread, field) + _invalid(found.valid) if found else None


def _invalid(valid: bool) -> str:
    return "" if valid else " (invalid)"


def _row(part: Part, service: str, where: str) -> Summary | None:
    rows = [row for row in part.run.summary if row.service == service and _fits(row, where)]
    if len(rows) > 1:
        names = ", ".join(row.scenario for row in rows)
        raise WrongMarker(f"{where!r} fits several scenarios: {names}")
    return rows[0] if rows else None


def _fits(row: Summary, where: str) -> bool:
    return where in (ALL, f"{row.idle_connections}-connections") or (
        f"-{where}-" in f"-{row.scenario}-"
    )


def of_ladder(results: Results, rung: str, where: str, field: str, shape: Shape) -> str | None:
    """A figure of the newest run of the ladder; otherwise as `of_bench`."""
    climbed = results.ladder
    rows = climbed.rungs if climbed else []
    known = {*(rung.name for rung in RUNGS), *(row["rung"] for row in rows)}
    if rung not in known:
        raise WrongMarker(f"no rung {rung!r}; there are: {', '.join(sorted(known))}")
    if field not in LADDER_FIELDS:
        raise WrongMarker(f"no field {field!r}; there are: {', '.join(sorted(LADDER_FIELDS))}")
    delay_s = _delay(where)
    found = (row for row in rows if row["rung"] == rung and row["delay_s"] == delay_s)
    value = next((row.get(field) for row in found), None)
    return None if value is None else shape(Spread(value, value, value), field)


def _delay(where: str) -> float:
    try:
        if where.endswith("ms"):
            return float(where[:-2]) / 1000
        return float(where.removesuffix("s"))
    except ValueError:
        raise WrongMarker(f"the ladder's delays are like 1s or 0.1s, not {where!r}") from None


def ladder_table(climbed: Climbed) -> Table:
    """One row a rung and delay."""
    columns = [
        ("rung", ""), ("backend", ""), ("requests/s", ""), ("limit", "requests/s"),
        ("threads", ""), ("idle", "%"), ("CPU per request", "ms"),
    ]  # fmt: skip
    rows = [
        Row(
            [
                Cell(str(row.get("title", row["rung"]))),
                Cell(facts.seconds(row["delay_s"]), number=True),
                figure(row["rps"]),
                figure(row.get("limit_rps")),
                count(round(row.get("threads", 0))),
                figure(row.get("idle_share"), 100),
                figure(row.get("cpu_ms_per_request")),
            ]
        )
        for row in climbed.rungs
    ]
    return Table("The ladder of clients", columns, rows)
