"""How many slots it takes: what waiting for one adds, measured and by queueing theory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby

from loadtests.record import Summary
from loadtests.report.charts import lines
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.series import Measure, Series
from loadtests.report.results import facts
from loadtests.report.results.parts import Part, valid_median
from loadtests.report.section import Section
from loadtests.report.tables.cells import Cell, Column, Table, count, figure, of_summary, table
from loadtests.workloads import delays
from loadtests.workloads.delays import Delays
from loadtests.workloads.open_rate import arriving
from loadtests.workloads.pool import theory
from loadtests.workloads.tail.section import named, said

ENOUGH_MS = 10.0  # of a p99: so much may be added before slots are called too few
SHARES = (("p50", 0.5, "added_p50_ms"), ("p99", 0.99, "added_p99_ms"))


@dataclass(frozen=True)
class Load:
    """The arrivals: how many a second, and how long each takes."""

    rate_rps: float
    delays: Delays
    words: str  # of a sentence

    @property
    def occupied(self) -> float:
        """The slots in use on average, by Little's law."""
        return theory.occupied(self.rate_rps, self.delays)


def _load(row: Summary) -> Load:
    rate = row.rate_rps or 0.0
    return Load(rate, delays.parse(row.delays), f"{facts.number(rate)} requests/s, {said(row)}")


def _by_load(part: Part) -> list[tuple[Load, list[Summary]]]:
    """The summaries of what arrives alike, in the order of the profile."""
    order = list(dict.fromkeys((row.delays, row.rate_rps) for row in part.run.summary))
    rows = sorted(part.run.summary, key=lambda row: order.index((row.delays, row.rate_rps)))
    groups = groupby(rows, key=lambda row: (row.delays, row.rate_rps))
    return [(_load(found[0]), found) for found in (list(group) for _, group in groups)]


def slots_of(part: Part, row: Summary) -> int | None:
    """The slots of a row: those asked for, or those that the service says it has."""
    info = part.run.services.get(row.service, {}).get("info") or {}
    return row.slots or info.get("slots")


def finding(part: Part) -> str:
    """From how many slots on the wait for one is short."""
    return " ".join(filter(None, (_said(part, load, rows) for load, rows in _by_load(part))))


def _said(part: Part, load: Load, rows: list[Summary]) -> str:
    enough = {}
    for name in dict.fromkeys(row.service for row in rows):
        own = [row for row in rows if row.service == name]
        short = [slots_of(part, row) for row in own if _is_short(row)]
        enough[name] = min(filter(None, short), default=None)
    alike: dict[int, list[str]] = {}
    for name, number in enough.items():
        if number is not None:
            alike.setdefault(number, []).append(name)
    if not alike:
        return _none_short(part, load, rows)
    many = facts.joined([f"{number} slots of {facts.joined(of)}" for number, of in alike.items()])
    return (
        f"At {load.words}, by Little's law {facts.number(load.occupied)} slots are in use on "
        f"average; {many} keep the wait for one below {ENOUGH_MS:g} ms at p99, the fewest of those "
        "that were tried."
    )


def _none_short(part: Part, load: Load, rows: list[Summary]) -> str:
    """The p99 that each adds with the most slots it had; empty where none has a valid one."""
    found = {row.service: row for row in sorted(rows, key=lambda row: slots_of(part, row) or 0)}
    said = [
        f"{name} adds a p99 of {facts.milliseconds(added)} with its {slots_of(part, row)} slots"
        for name, row in found.items()
        if (added := valid_median(row, "added_p99_ms")) is not None
    ]
    least = f"{facts.number(load.occupied)} slots are in use on average"
    return f"At {load.words}, {least}; {facts.joined(said)}." if said else ""


def _is_short(row: Summary) -> bool:
    added = valid_median(row, "added_p99_ms")
    return added is not None and added < ENOUGH_MS


def tables(part: Part) -> list[Table]:
    """A table for each load and service, of its slots."""
    found = []
    for load, rows in _by_load(part):
        for name in dict.fromkeys(row.service for row in rows):
            own = sorted(
                (row for row in rows if row.service == name),
                key=lambda row: slots_of(part, row) or 0,
            )
            found.append(_table(part, load, name, own))
    return found


def _table(part: Part, load: Load, name: str, rows: list[Summary]) -> Table:
    def by_theory(share: float) -> Callable[[Summary], Cell]:
        def cell(row: Summary) -> Cell:
            slots = slots_of(part, row)
            if not slots or not theory.is_stable(load.rate_rps, load.delays, slots):
                return Cell("grows without end", number=True)
            return figure(theory.waiting_ms(load.rate_rps, load.delays, slots, share))

        return cell

    columns: list[Column[Summary]] = [("slots", "", lambda row: count(slots_of(part, row)))]
    for percentile, share, field in SHARES:
        columns.append((f"{percentile} added", "ms", _measured(field)))
        columns.append((f"{percentile} in theory", "ms", by_theory(share)))
    columns += [
        ("p99 in all", "ms", _measured("p99_ms")),
        ("queue grows by", "requests/s", lambda row: arriving.overload("growth_rps")(part, row)),
    ]
    caption = f"{name}: {load.words} (Little: {facts.number(load.occupied)} slots in use)"
    return table(caption, columns, rows, facts.state)


def _measured(field: str) -> Callable[[Summary], Cell]:
    return lambda row: of_summary(row, field)


def charts(part: Part) -> list[Chart]:
    """The wait for a slot over the number of slots: a chart for each load."""
    found = [one for one in _by_load(part) if len({row.slots for row in one[1]}) > 1]
    names = named([(load.delays.name, load.rate_rps) for load, _ in found])
    return [_chart(part, *one, name) for one, name in zip(found, names, strict=True)]


def _chart(part: Part, load: Load, rows: list[Summary], name: str) -> Chart:
    def by_theory(slots: int, delay_s: float) -> float:
        return theory.waiting_ms(load.rate_rps, load.delays, slots, 0.99)

    measure = Measure(
        "pool",
        "added_p99_ms",
        f"The wait for a slot, {load.delays.name} delays",
        "added at p99, ms",
        f"Of {load.words}. By Little's law {facts.number(load.occupied)} slots are in use on "
        "average, where the upright line is: with no more the queue grows, by so many requests/s, "
        "and nothing else is drawn. The dashed line is queueing theory, of a queue that has come "
        "to rest: near Little's law a window of seconds is too short for that, and has less of it.",
        limit=by_theory,
        mark=(load.occupied, "Little's law"),
        notes=tuple(_growing(part, load, rows)),
    )
    at = {(row.service, slots): row for row in rows if (slots := slots_of(part, row))}
    names = list(dict.fromkeys(row.service for row in rows))
    series = Series(part.run, measure, names, at, "slots", load.delays.mean_s)
    return lines.chart(part, series, f"{part.prefix}pool-{name}", measure.title)


def _growing(part: Part, load: Load, rows: list[Summary]) -> Iterator[tuple[int, str]]:
    """The slots with which no queue ends, and by how much those of the services grew."""
    found: dict[int, list[float]] = {}
    for row in rows:
        slots = slots_of(part, row)
        if slots and not theory.is_stable(load.rate_rps, load.delays, slots):
            grown = arriving.at(part, row.service, row.scenario, lambda point: point.growth_rps)
            found.setdefault(slots, []).extend([grown.spread.median] if grown else [])
    for slots, many in found.items():
        if max(many, default=0.0) >= 1:  # or else it hardly grows
            yield slots, f"queue +{facts.span(many)}/s"


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        (
            "slots",
            "How many requests of a service can wait for the backend at once: threads where "
            "threads wait, the places of a semaphore or pool elsewhere.",
        ),
        (
            "added",
            "The response time from the instant a request was due, less the delay of its own "
            "call: mostly the wait for a slot.",
        ),
        (
            "in theory",
            "The wait for a slot in a queue with as many servers, Poisson arrivals and these "
            "delays: exact for constant ones (M/D/c; by Cosmetatos' approximation above 500 slots "
            "in use, or hardly more slots than that), Erlang's C with the usual approximation of "
            "M/G/c for others, which is rough where a few are very long.",
        ),
    ),
)
