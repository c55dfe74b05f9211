"""A service in more and more processes: requests/s, CPU and memory over their number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loadtests.bench.surroundings import load_cpu
from loadtests.record import Point, Summary
from loadtests.report.charts import lines
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.series import Measure, Series
from loadtests.report.results import facts
from loadtests.report.results.parts import Derived, Part, derived, valid_median
from loadtests.report.results.scaling import further_bytes, gain, least
from loadtests.report.results.scaling import rows as rows_of
from loadtests.report.section import USERS_AND_DELAY, Section
from loadtests.report.tables.cells import (
    Cell,
    Column,
    Table,
    by_service,
    count,
    of_summary,
    service,
    spread,
    table,
)
from loadtests.report.tables.common import MIB

OVER = "processes"
MEASURES = (
    Measure(
        "scaling",
        "rps",
        "Requests/s",
        "requests/s",
        "The same users ask the service in one process and in several.",
        proportional=True,
    ),
    Measure(
        "process-cpu",
        "cpu_ms_per_request",
        "CPU per request",
        "CPU per request, ms",
        "CPU time of all processes of the service together, for each request.",
        proportional=True,
    ),
    Measure(
        "process-memory",
        "pss_bytes",
        "Memory",
        "memory, MiB",
        "Memory of the service's whole process tree under that load (PSS: pages that forked "
        "processes share are counted once).",
        scale=1 / MIB,
        proportional=True,
    ),
)


def _numbers(part: Part) -> list[int]:
    return sorted({number for _, number in rows_of(part)})


def _most(part: Part) -> int:
    return max(_numbers(part), default=1)


def _ranked(part: Part) -> list[str]:
    """The most requests/s in the most processes first."""
    rows, most = rows_of(part), _most(part)

    def rank(name: str) -> float | None:
        rps = valid_median(rows.get((name, most)), "rps")
        return None if rps is None else -rps

    return part.services(rank)


def _at(part: Part, name: str, number: int, of: Callable[[Point], float | None]) -> Derived | None:
    """A figure of a service's points with so many processes, round by round."""
    return derived(
        part, name, lambda points: next((of(p) for p in points if p.workers == number), None)
    )


def _cores_used(point: Point) -> float | None:
    """The CPU of the service, in cores."""
    each_ms = point.cpu_ms_per_request
    return each_ms and point.duration_s and each_ms * point.requests / point.duration_s / 1000


def _gained(part: Part, name: str, number: int) -> Cell:
    cell = spread(gain(part, name, number))
    sign = least(part, name, number) if cell.text != facts.NOTHING else ""
    return replace(cell, text=sign + cell.text)


def finding(part: Part) -> str:
    """The gain of each service, and the memory of a further process."""
    most = _most(part)
    known = {name: found for name in _ranked(part) if (found := gain(part, name, most))}
    if most == 1 or not known:
        return ""
    gains = ", ".join(
        f"{name} {least(part, name, most)}{facts.times(found.spread.median)}"
        for name, found in known.items()
        if found.valid
    )
    sizes = [f.spread.median / MIB for name in known if (f := further_bytes(part, name, most))]
    text = f"Requests/s of {most} processes, of what one answers: {gains}." if gains else ""
    if sizes:
        ends = dict.fromkeys(facts.number(of(sizes)) for of in (min, max))
        text += f" Each further process takes {' to '.join(ends)} MiB."
    return text.strip() + (f" {_together(part)}" if _together(part) else "")


def _together(part: Part) -> str:
    """The caution where service and load were on the same cores."""
    shared = max((point.shared_cores or 0 for point in part.run.points), default=0)
    if not shared:
        return ""
    return (
        f"The load was on the same {shared} cores, so that what several processes answered is the "
        "least that they can do (≥)."
    )


def tables(part: Part) -> list[Table]:
    """A row for each service, and one for each number of its processes."""
    most, rows = _most(part), rows_of(part)

    def rps(number: int) -> Callable[[str], Cell]:
        return lambda name: of_summary(rows.get((name, number)), "rps")

    columns: list[Column[str]] = [
        *((_said(number), "requests/s", rps(number)) for number in _numbers(part)),
        (f"gain of {most}", "× one", lambda name: _gained(part, name, most)),
        ("a further process", "MiB", lambda n: spread(further_bytes(part, n, most), 1 / MIB)),
    ]
    names = _ranked(part)
    users = part.settings["users"]
    load = facts.workload(int(users), float(part.settings["delay_s"]))
    first = by_service(f"Processes, at {load}", columns, names, part.state, part)
    each = [
        rows[name, number] for name in names for number in _numbers(part) if (name, number) in rows
    ]
    return [first, _of_each(part, each)]


def _of_each(part: Part, rows: list[Summary]) -> Table:
    def at(of: Callable[[Point], float | None]) -> Callable[[Summary], Cell]:
        return lambda row: spread(_at(part, row.service, row.workers or 1, of))

    columns: list[Column[Summary]] = [
        ("service", "", lambda row: service(row.service, part)),
        ("processes", "", lambda row: count(row.workers)),
        ("requests/s", "", lambda row: of_summary(row, "rps")),
        ("gain", "× one", lambda row: _gained(part, row.service, row.workers or 1)),
        ("the service's CPU", "cores", at(_cores_used)),
        ("the load's CPU", "cores", at(load_cpu)),
        ("CPU per request", "ms", lambda row: of_summary(row, "cpu_ms_per_request")),
        ("memory", "MiB", lambda row: of_summary(row, "pss_bytes", 1 / MIB)),
    ]
    return table("Each number of processes", columns, rows, facts.state)


def _said(number: int) -> str:
    return "1 process" if number == 1 else f"{number} processes"


def charts(part: Part) -> list[Chart]:
    """Requests/s, CPU and memory over the number of processes."""
    rows = rows_of(part)
    if not rows:
        return []
    found = []
    for measure in MEASURES:
        if measure.field == "rps" and (together := _together(part)):
            measure = replace(measure, caption=f"{measure.caption} {together}")
        series = Series(part.run, measure, _ranked(part), rows, over=OVER)
        title = f"{measure.title} against {OVER}"
        found.append(lines.chart(part, series, f"{part.prefix}{measure.name}", title))
    return found


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        *USERS_AND_DELAY,
        (
            "gain",
            "Requests/s of so many processes ÷ those of one, round by round. With ≥ where load and "
            "service were on the same cores, which were too few for both, or something else than "
            "the service was at its limit. Nobody knows it where that was so with one process.",
        ),
        (
            "the load's CPU",
            "What generator and backend used, in cores: where they are on the service's, it is "
            "missing there.",
        ),
        (
            "a further process",
            "The memory that each process after the first one brought (PSS), with the same users: "
            "pages that it shares with the others are counted once.",
        ),
    ),
)
