"""More than a service can do, for some seconds: what it answers meanwhile, and if it comes back."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import isinf
from statistics import median

from loadtests.record import Spread, Summary
from loadtests.report.charts import strips
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.strips import Strip
from loadtests.report.results import facts
from loadtests.report.results.parts import Part
from loadtests.report.section import Section
from loadtests.report.tables.cells import (
    INVALID,
    WHOLE,
    Cell,
    Column,
    Table,
    by_summary,
    spread,
)
from loadtests.workloads.open_rate import arriving
from loadtests.workloads.overload import GIVES_UP, RETRIES, figures

MIB = 2**20


def _cell(
    part: Part, figure: figures.Figure, write: Callable[[float], str] = facts.number
) -> Callable[[Summary], Cell]:
    return lambda row: spread(arriving.at(part, row.service, row.scenario, figure), write=write)


def _back(part: Part, row: Summary) -> Spread | None:
    found = arriving.at(part, row.service, row.scenario, partial(figures.back_s, part))
    return found.spread if found else None


def _shown(part: Part, seconds: float) -> str:
    return f"> {figures.watched_s(part)}" if isinf(seconds) else f"{seconds:g}"


def _told(part: Part, back: Spread) -> str:
    if isinf(back.median):
        return f"not back within {figures.watched_s(part)} s"
    return f"back after {back.median:g} s"


def comes_back(part: Part, service: str) -> str:
    """When a service is as before, in words, of both kinds of callers; empty where neither came."""
    said = {}
    for row in part.run.summary:
        if row.service == service:
            found = _back(part, row) if row.valid else None
            said[row.scenario.endswith(RETRIES)] = _told(part, found) if found else "not known"
    if len(set(said.values())) < len(said):
        return f"{said[False]}, with retries or without"
    return ", with retries ".join(said[kind] for kind in sorted(said))


def _back_cell(part: Part, row: Summary) -> Cell:
    found = _back(part, row)
    if found is None:
        return Cell(facts.NOTHING, number=True)
    low, middle, high = (_shown(part, end) for end in (found.min, found.median, found.max))
    return Cell(middle, "" if low == high else f"{low}–{high}", number=True)


def _idle_cell(part: Part, row: Summary) -> Cell:
    found = arriving.at(part, row.service, row.scenario, figures.of("idle_s"))
    return spread(found) if found else Cell("> 5" if row.valid else facts.NOTHING, number=True)


def _order(part: Part, scenario: str) -> list[str]:
    """The soonest back first, and of those that are alike the one that answered more."""
    rows = part.rows(scenario)

    def rank(name: str) -> float | None:
        row = rows.get(name)
        found = _back(part, row) if row and row.valid else None
        if row is None or found is None:
            return None
        share = arriving.at(part, name, scenario, partial(figures.in_time, part))
        seconds = 2.0 * sum(figures.phases_s(part)) if isinf(found.median) else found.median
        return seconds - (share.spread.median / 1000 if share else 0)

    return part.services(rank)


def finding(part: Part) -> str:
    """Which come back, and when; of each kind of callers."""
    return " ".join(filter(None, (_said(part, scenario) for scenario in part.scenarios())))


def _said(part: Part, scenario: str) -> str:
    rows, back, never = part.rows(scenario), [], []
    for name in _order(part, scenario):
        found = _back(part, rows[name]) if name in rows and rows[name].valid else None
        if found is not None and isinf(found.median):
            never.append(name)
        elif found is not None:
            back.append(f"{name} after {found.median:g} s")
    told = [f"back are {facts.joined(back)}"] if back else []
    if never:
        told.append(f"not within {figures.watched_s(part)} s {facts.joined(never)}")
    who = figures.callers(part, scenario).capitalize()
    return f"{who}: {'; '.join(told)}." if told else ""


def tables(part: Part) -> list[Table]:
    """Of each kind of callers how it goes, and what the service holds."""
    found = []
    for scenario in part.scenarios():
        found += [_course(part, scenario), _held(part, scenario)]
    return found


def _course(part: Part, scenario: str) -> Table:
    columns: list[Column[Summary]] = [
        ("capacity", "requests/s", _cell(part, figures.of("capacity_rps"))),
        ("answered in the overload", "%", _cell(part, partial(figures.in_time, part))),
        ("back after", "s", lambda row: _back_cell(part, row)),
        ("calls for nobody", "%", _cell(part, figures.unwanted)),
        ("at rest after", "s", lambda row: _idle_cell(part, row)),
    ]
    if scenario.endswith(RETRIES):
        columns.insert(1, ("attempts", "a request", _cell(part, partial(figures.attempts, part))))
    caption = f"Does it come back? {figures.callers(part, scenario).capitalize()}"
    return by_summary(caption, columns, _order(part, scenario), part.rows(scenario), part)


def _held(part: Part, scenario: str) -> Table:
    held = (("memory", "MiB", "pss_bytes", MIB, facts.number),
            ("descriptors", "", "descriptors", 1, WHOLE),
            ("threads", "", "threads", 1, WHOLE))  # fmt: skip
    columns: list[Column[Summary]] = []
    for name, unit, field, scale, write in held:
        columns.append((f"most {name}", unit, _cell(part, figures.peak(field, scale), write)))
        columns.append((f"{name} left", unit, _cell(part, figures.left(field, scale), write)))
    caption = f"Memory, connections and threads: {figures.callers(part, scenario)}"
    return by_summary(caption, columns, _order(part, scenario), part.rows(scenario), part)


def charts(part: Part) -> list[Chart]:
    """A strip for each service, a chart for each kind of callers."""
    return [_chart(part, scenario) for scenario in part.scenarios()]


def _chart(part: Part, scenario: str) -> Chart:
    rows = part.rows(scenario)
    drawn = [_strip(part, scenario, name, rows.get(name)) for name in _order(part, scenario)]
    usual_s, over_s, _ = figures.phases_s(part)
    usual, over = (100 * float(part.settings[name]) for name in ("usual", "over"))
    who = scenario.rpartition("-")[2] if scenario.endswith(RETRIES) else GIVES_UP
    caption = (
        f"By the second in which a request was due, as shares of the service's own capacity. The "
        f"line is what arrives: {usual:g} %, in the grey seconds {over:g} %. The area is what "
        f"{figures.callers(part, scenario)} got an answer to. All services get the same arrivals, "
        "stretched to their capacity."
    )
    alt = "answered in time over the seconds: " + ", ".join(
        f"{one.service}{INVALID if one.state == 'invalid' else ''} {one.told}" for one in drawn
    )
    title = f"Does it come back? {figures.callers(part, scenario).capitalize()}"
    spec = strips.chart(part.run, drawn, (usual_s, usual_s + over_s), over / 100)
    return Chart(f"{part.prefix}overload-{who}", title, caption, alt, spec)


def _strip(part: Part, scenario: str, name: str, row: Summary | None) -> Strip:
    state = facts.state(row) if row else "not measured"
    found = _back(part, row) if row else None
    points = [
        point
        for point in part.run.points
        if (point.service, point.scenario) == (name, scenario)
        and point.overload
        and point.valid == (row is not None and row.valid)
    ]
    if found is None or not points:
        return Strip(name, [], [], [], state, state)
    rounds = [
        [
            (each["due"] / capacity, each["answered"] / capacity, each["sent"] / (each["due"] or 1))
            for each in point.overload["seconds"]
        ]
        for point in points
        if (capacity := point.overload["capacity_rps"])
    ]
    by_second = [
        tuple(map(median, zip(*alike, strict=True))) for alike in zip(*rounds, strict=False)
    ]
    due, answered, sent = (list(shares) for shares in zip(*by_second, strict=True))
    told = _told(part, found) + (f" ({state})" if state else "")
    return Strip(name, due, answered, sent, state, told)


SECTION = Section(
    finding,
    tables,
    charts,
    derived={
        f"{kind.replace('-', '_')}_{name}": figures.finite(kind, figure)
        for kind in (GIVES_UP, RETRIES)
        for name, figure in (("back_s", figures.back_s), ("in_time_percent", figures.in_time))
    },
    terms=(
        (
            "capacity",
            "The requests/s that the service answered just before, in 2 s, to closed users: 200, "
            "or twice as many as long as they, and not the service, set the rate.",
        ),
        (
            "answered in the overload",
            "Of the requests that were due in those seconds, the share that any attempt of its "
            "caller was answered to in time.",
        ),
        (
            "back after",
            "The seconds from the end of the overload until the share answered in time and the "
            "p99 of those are within noise of the first seconds, and stay there but for a single "
            "second. At the least 1.",
        ),
        (
            "calls for nobody",
            "Of all calls that the backend got, those beyond one for each request that was "
            "answered in time: work for callers that had left.",
        ),
        (
            "at rest after",
            "From the last arrival until the backend had no call of the service and got no new "
            "one; looked for 5 s after the last caller had left.",
        ),
        (
            "most, left",
            "Looked at every 2 s under load, and twice with no caller connected: before the load, "
            "but after the capacity was measured, and after it. Left is the difference. A "
            "descriptor is a connection of a caller or to the backend, or a file.",
        ),
    ),
)
