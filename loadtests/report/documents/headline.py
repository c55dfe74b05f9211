"""README's table: a row for each way of waiting, of the newest suite but for what faults do."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from loadtests.record import Point, Spread
from loadtests.report.results import facts
from loadtests.report.results.parts import Part, valid_median
from loadtests.report.results.stored import Entry, Results
from loadtests.report.results.waiting import memory, waiter
from loadtests.report.tables.cells import Cell, Column, Table, service, table, text
from loadtests.report.tables.common import KIB
from loadtests.workloads.capacity.section import at_least, of_services
from loadtests.workloads.faults.section import breaks
from loadtests.workloads.overload.section import comes_back

CHOSEN = Path(__file__).with_name("headline.toml")
KINDS = ("capacity", "cost", "held", "overload")
FULL = 0.85  # of a core: what is left of it is no more than a search's step
NEAR = 1.1  # times the lowest round: the highest may be so much higher and the range not be said
Value = tuple[float | None, str, str]  # a figure, a sign before it, and the range of its rounds


def chosen() -> tuple[list[str], int]:
    """The services that are named, and the rate of their CPU per request."""
    found = tomllib.loads(CHOSEN.read_text(encoding="utf-8"))
    return list(found["named"]), int(found["cost_rps"])


def of(results: Results) -> Table | None:
    """The table; None where none of its figures was measured.

    What faults do is no figure that drifts with a machine, and said of the run that has most of
    these services.
    """
    named, rate = chosen()
    broken = _of_faults(results)
    parts = {kind: found[1] for kind in KINDS if (found := results.newest(kind))}
    faults = broken[1] if broken else None
    every = [*parts.values(), *([faults] if faults else [])]
    if not every:
        return None
    capacity, cost, held, overload = (parts.get(kind) for kind in KINDS)
    known = {name: part for name in named for part in every if name in part.run.services}

    def measured(part: Part | None, value: Callable[[Part, str], Value]) -> Callable[[str], Cell]:
        return lambda name: _cell(part, name, value)

    columns: list[Column[str]] = [
        ("waits in", "", lambda name: text(waiter(known[name], name))),
        ("service", "", lambda name: service(name, known[name])),
        ("a core carries", "requests/s", measured(capacity, _capacity)),
        (
            f"CPU per request at {rate}/s",
            "ms",
            measured(cost, lambda part, name: _cost(part, name, rate)),
        ),
        ("a waiting request", "KiB", measured(held, _memory)),
        ("where it breaks", "", lambda name: text(_breaks(capacity, overload, faults, name))),
    ]
    return table("One service for each way of waiting", columns, known, lambda name: "")


def below(results: Results) -> str:
    """The line below the table, of the run that its faults are of; empty where there is none."""
    if (found := _of_faults(results)) is None:
        return ""
    entry, _ = found
    return f"Faults: [{entry.started_at[:10]}](results/{entry.folder.name}/report.md).\n\n"


def _of_faults(results: Results) -> tuple[Entry, Part] | None:
    named, _ = chosen()
    return results.widest("faults", named)


def _cell(part: Part | None, service: str, value: Callable[[Part, str], Value]) -> Cell:
    """Its figure, its rounds, and the range of the other stock services that wait in that way."""
    if part is None:
        return Cell(facts.NOTHING, number=True)
    found, sign, rounds = value(part, service)
    if found is None:
        return Cell(facts.NOTHING, number=True)
    others = _range(value(part, name) for name in _others(part, service))
    beside = "; ".join(filter(None, [rounds, others]))
    return Cell(sign + facts.number(found), beside, number=True)


def _others(part: Part, service: str) -> list[str]:
    if service in part.marks:
        return []
    stock = [name for name in facts.services(part.run) if name not in part.marks]
    alike = [name for name in stock if waiter(part, name) == waiter(part, service)]
    return [name for name in alike if name != service]


def _range(others: Iterable[Value]) -> str:
    known = sorted((value, sign) for value, sign, _ in others if value is not None)
    ends = list(dict.fromkeys(sign + facts.number(value) for value, sign in known[:1] + known[-1:]))
    return f"others {' to '.join(ends)}" if ends else ""


def _rounds(spread: Spread | None, scale: float = 1) -> str:
    """From the lowest to the highest, where they are not near each other."""
    if spread is None or spread.max <= NEAR * spread.min:
        return ""
    return f"{facts.number(scale * spread.min)}–{facts.number(scale * spread.max)}"


def _capacity(part: Part, service: str) -> Value:
    row = of_services(part).get(service)
    sign = at_least(part, service)
    rounds = _rounds(row.capacity_rps) if row and not sign else ""
    return valid_median(row, "capacity_rps"), sign, rounds


def _cost(part: Part, service: str, rate: int) -> Value:
    row = part.by_rate().get((service, rate))
    rounds = _rounds(row.cpu_ms_per_request) if row else ""
    return valid_median(row, "cpu_ms_per_request"), "", rounds


def _memory(part: Part, service: str) -> Value:
    found = memory(part, service)
    if found is None or not found.valid:
        return None, "", ""
    return found.spread.median / KIB, "", _rounds(found.spread, 1 / KIB)


def _breaks(capacity: Part | None, overload: Part | None, faults: Part | None, service: str) -> str:
    """The limit that came first, whether it came back from an overload, and what faults do."""
    came_back = comes_back(overload, service) if overload else ""
    said = [
        _first(capacity, service),
        came_back and f"overload: {came_back}",
        breaks(faults, service) if faults else "",
    ]
    return "; ".join(filter(None, said)) or facts.NOTHING


def _first(part: Part | None, service: str) -> str:
    """The end of the search of its capacity: the core, a limit of its stack, or of the harness."""
    row = of_services(part).get(service) if part else None
    if part is None or row is None or row.capacity_rps is None:
        return ""
    points = [p for turn in part.rounds(service) for p in turn if p.capacity_rps]
    if at_least(part, service) and (said := facts.bounds(points)):
        return f"not seen: {said} came first"
    shares = [share for point in points if point.valid and (share := _busy(point))]
    if min(shares, default=0.0) >= FULL:
        return "its core is full"
    about: dict[str, Any] = part.run.services.get(service, {})
    if about.get("limit"):
        return str(about["limit"])
    busy = facts.span([100 * share for share in shares], "–")
    return "answers come late" + (f", its core {busy} % busy" if busy else "")


def _busy(point: Point) -> float:
    """The share of its core that a service used in a round, at the most that it sustained."""
    return (point.capacity_rps or 0.0) * (point.cpu_ms_per_request or 0.0) / 1000
