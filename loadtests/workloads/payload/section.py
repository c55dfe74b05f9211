"""JSON of several sizes: what a service answers of it, and what each KiB costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loadtests.record import Point, Summary
from loadtests.report.charts import lines
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.series import Measure, Series
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Derived, Part, derived, valid_median
from loadtests.report.results.ranking import Ranking
from loadtests.report.section import USERS_AND_DELAY, Section
from loadtests.report.tables import controlled
from loadtests.report.tables.cells import Cell, Column, Table, by_service, of_summary, place, spread
from loadtests.report.tables.common import KIB

OVER = "KiB"
REQUESTS = Measure(
    "payload-requests",
    "rps",
    "Requests/s",
    "requests/s",
    "The same users ask for answers of more and more JSON. The dashed line is the arithmetic "
    "limit, users ÷ delay, which nobody can exceed whatever the size.",
    proportional=True,
)
CPU = Measure(
    "payload-cpu",
    "cpu_ms_per_request",
    "CPU per request",
    "CPU per request, ms",
    "CPU time of the service's whole process tree for each request. Every service parses "
    "and writes with Python's json module, so that a part of the slope is the same in all; the "
    "rest is reading the backend's answer and sending one nearly as long.",
    proportional=True,
)


def _rows(part: Part) -> dict[tuple[str, int], Summary]:
    """The summaries by service and KiB."""
    return {(row.service, row.size // KIB): row for row in part.run.summary if row.size is not None}


def _sizes(part: Part) -> list[int]:
    return sorted({kib for _, kib in _rows(part)})


def further_kib_ms(part: Part, service: str) -> Derived | None:
    """The CPU that each KiB costs in ms, from the shortest answers to the longest, by round."""

    def of(points: list[Point]) -> float | None:
        known = {
            point.size: point.cpu_ms_per_request
            for point in points
            if point.size is not None and point.cpu_ms_per_request is not None
        }
        least, most = min(known, default=0), max(known, default=0)
        return KIB * (known[most] - known[least]) / (most - least) if most > least else None

    return derived(part, service, of)


def _cheapest(part: Part) -> list[str]:
    """The services: the cheapest KiB first."""

    def rank(name: str) -> float | None:
        found = further_kib_ms(part, name)
        return found.spread.median if found and found.valid else None

    return part.services(rank)


def _fastest(part: Part) -> list[str]:
    """The services: the most requests/s of the longest answers first."""
    rows, most = _rows(part), _sizes(part)[-1]

    def rank(name: str) -> float | None:
        rps = valid_median(rows.get((name, most)), "rps")
        return None if rps is None else -rps

    return part.services(rank)


def _by_cost(part: Part) -> Ranking:
    found = {name: further_kib_ms(part, name) for name in _cheapest(part)}
    return ranking.of_derived(part, found, found)


def _by_requests(part: Part) -> Ranking:
    longest = max(part.run.summary, key=lambda row: row.size or 0)
    return ranking.of_scenario(part, longest.scenario, "rps", _fastest(part))


def _load(part: Part) -> str:
    return facts.workload(int(part.settings["users"]), float(part.settings["delay_s"]))


def finding(part: Part) -> str:
    """The requests/s with the longest answers, and what a KiB costs."""
    rows, sizes = _rows(part), _sizes(part)
    if not sizes:
        return ""
    most, order = sizes[-1], _by_requests(part)
    answered = {
        name: facts.at_least(row, "rps") + facts.number(valid_median(row, "rps"))
        for name in order.names
        if (row := rows.get((name, most)))
    }
    said = ranking.contrast(order, answered, "the most", "the fewest")
    text = f"At {_load(part)} with {most} KiB of JSON, requests/s: {said}." if said else ""
    each = {
        name: facts.milliseconds(found.spread.median)
        for name in _cheapest(part)
        if (found := further_kib_ms(part, name))
    }
    cost = ranking.contrast(_by_cost(part), each, "the least", "the most")
    return f"{text} CPU for each KiB of them: {cost}.".strip() if cost else text


def tables(part: Part) -> list[Table]:
    """One row a service: requests/s by size, and CPU per request by size and for a KiB."""
    if not part.run.summary:
        return []
    requests, costs = _by_requests(part), _by_cost(part)
    answered: list[Column[str]] = [
        ("place", "", lambda name: place(requests, name)),
        *((f"{size} KiB", "requests/s", _at(part, size, "rps")) for size in _sizes(part)),
        *((f"p99 at {size} KiB", "ms", _at(part, size, "p99_ms")) for size in _sizes(part)[-1:]),
    ]
    spent: list[Column[str]] = [
        ("place", "", lambda name: place(costs, name)),
        *((f"{size} KiB", "ms", _at(part, size, "cpu_ms_per_request")) for size in _sizes(part)),
        ("a further KiB", "ms", lambda name: spread(further_kib_ms(part, name))),
    ]
    caption = f"Requests/s by size, at {_load(part)}"
    each = {name: further_kib_ms(part, name) for name in costs.names}
    return [
        by_service(caption, answered, _fastest(part), part.state, part),
        by_service("CPU per request by size", spent, _cheapest(part), part.state, part),
        *controlled.tables(part, [controlled.of_derived("CPU of a further KiB", each, costs)]),
    ]


def _at(part: Part, kib: int, field: str) -> Callable[[str], Cell]:
    rows = _rows(part)
    return lambda name: of_summary(rows.get((name, kib)), field)


def charts(part: Part) -> list[Chart]:
    """CPU per request and requests/s over the size of the backend's answers."""
    if not part.run.summary:
        return []
    delay_s, users = float(part.settings["delay_s"]), int(part.settings["users"])
    bounded = replace(REQUESTS, limit=lambda kib, wait_s: users / wait_s)
    made = []
    for measure, names, wait_s in ((CPU, _cheapest(part), 0.0), (bounded, _fastest(part), delay_s)):
        series = Series(part.run, measure, names, _rows(part), over=OVER, delay_s=wait_s)
        title = f"{measure.title} against {OVER} of JSON"
        made.append(lines.chart(part, series, f"{part.prefix}{measure.name}", title))
    return made


SECTION = Section(
    finding,
    tables,
    charts,
    derived={"further_kib_ms": further_kib_ms},
    terms=(
        *USERS_AND_DELAY,
        (
            "KiB",
            "The JSON that the backend answers with: a list of small objects. 0 is the delay and "
            "the request's id alone. The service reads all of it, adds up one number of each "
            "object, and sends it on with the sum.",
        ),
        (
            "a further KiB",
            "CPU per request with the longest answers less that with the shortest, ÷ the KiB "
            "between them, round by round: parsing, writing, and passing on so many bytes.",
        ),
    ),
)
