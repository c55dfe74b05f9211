"""The highest rate that each service sustains, and the one it failed at."""

from __future__ import annotations

from loadtests.record import Point, Summary
from loadtests.report import canvas, facts, ranking, rows
from loadtests.report.canvas import Chart
from loadtests.report.cells import Cell, Column, Table, by_summary, place, spread, text
from loadtests.report.parts import Part, valid_median
from loadtests.report.ranking import Ranking
from loadtests.report.sections.section import Section


def _load(part: Part) -> str:
    return f"{facts.seconds(float(part.settings['delay_s']))} backend"


def _limit(part: Part) -> str:
    limit_ms = 1000 * float(part.settings["delay_s"]) + float(part.settings["limit_ms"])
    return f"{limit_ms:g} ms"


def of_services(part: Part) -> dict[str, Summary]:
    """The summary of each service."""
    return {row.service: row for row in part.run.summary}


def _ranked(part: Part) -> list[str]:
    """The most first."""
    found = of_services(part)

    def rank(name: str) -> float | None:
        rps = valid_median(found.get(name), "capacity_rps")
        return None if rps is None else -rps

    return part.services(rank)


def _ranking(part: Part) -> Ranking:
    scenario = next(iter(part.scenarios()), "")
    return ranking.of_scenario(part, scenario, "capacity_rps", _ranked(part))


def finding(part: Part) -> str:
    """Who sustains the most and the least."""
    found, order = of_services(part), _ranking(part)
    values = {
        name: f"{facts.number(valid_median(found[name], 'capacity_rps'))} requests/s"
        for name in order.names
    }
    said = ranking.contrast(order, values, "the most", "the least")
    return said and (
        f"Sustained without a failure and with a p99 within {_limit(part)}, before a "
        f"{_load(part)}: {said}."
    )


def tables(part: Part) -> list[Table]:
    """One row a service."""
    order = _ranking(part)
    columns: list[Column[Summary]] = [
        ("place", "", lambda row: place(order, row.service)),
        ("capacity", "requests/s", lambda row: spread(row.capacity_rps)),
        ("failed at", "requests/s", lambda row: spread(row.failed_at_rps)),
        ("because", "", lambda row: text(_because(part, row.service) or facts.NOTHING)),
        ("p99 at capacity", "ms", lambda row: spread(row.p99_ms)),
        ("CPU per request there", "ms", lambda row: spread(row.cpu_ms_per_request)),
    ]
    caption = f"Capacity: the highest rate with no failure and a p99 within {_limit(part)}"
    return [by_summary(caption, columns, _ranked(part), of_services(part), part.cannot)]


def _because(part: Part, service: str) -> str:
    """Why the lowest rate that failed did, in the round whose capacity is the median."""
    points = [point for turn in part.rounds(service) for point in turn if point.probes]
    points = [point for point in points if point.valid] or points
    if not points:
        return ""
    points.sort(key=lambda point: point.capacity_rps or 0.0)
    return _failure(points[(len(points) - 1) // 2])


def _failure(point: Point) -> str:
    """Of the last try at the rate that failed; one below may have failed once, by bad luck."""
    failed = [
        str(probe["because"])
        for probe in point.probes
        if probe["rate_rps"] == point.failed_at_rps and not probe["sustained"]
    ]
    return failed[-1] if failed else ""


def charts(part: Part) -> list[Chart]:
    """A bar for each service, with a tick at the rate it failed at."""
    found = of_services(part)
    if not found:
        return []
    bars = [_bar(name, found.get(name)) for name in _ranked(part)]
    alt = f"capacity, requests/s: {rows.said_bars(bars)}"
    bars += [rows.Bar(name, None, rows.UNABLE) for name in part.cannot]
    name = f"{part.prefix}capacity"
    svg = canvas.svg(lambda: rows.bars(bars, "capacity, requests/s"), name)
    caption = (
        f"Requests arrive at a rate, with no regard to the answers; before a {_load(part)}. The "
        f"bar ends at the highest rate with no failure and a p99 within {_limit(part)}, the tick "
        "stands at the lowest rate that was tried and was too much: what a service can do lies "
        "between the two."
    )
    return [Chart(name, "Capacity", caption, alt, svg)]


def _bar(name: str, row: Summary | None) -> rows.Bar:
    if row is None:
        return rows.Bar(name, None, "not measured")
    if row.failed_at_rps is None:
        return rows.Bar(name, row.capacity_rps, facts.state(row))
    failed_at = row.failed_at_rps.median
    note = f", failed at {facts.number(failed_at)}"
    return rows.Bar(name, row.capacity_rps, facts.state(row), note, mark=failed_at)


def cells(part: Part) -> dict[str, Cell]:
    """The capacity of each service, for a table of something else."""
    found = {name: row for name, row in of_services(part).items() if row.capacity_rps}
    return {
        name: spread(row.capacity_rps, note="" if row.valid else " (invalid)")
        for name, row in found.items()
    }


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        (
            "capacity",
            "The highest rate of arrivals that was sustained for a window: nothing failed, nothing "
            "was dropped, and 99 % of the answers came within the limit. The other figures are of "
            "that window.",
        ),
        ("failed at", "The lowest rate that was tried and not sustained."),
    ),
)
