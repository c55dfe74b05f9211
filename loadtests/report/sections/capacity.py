"""The highest rate that each service sustains, and the one it failed at."""

from __future__ import annotations

from dataclasses import replace

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


def _points(part: Part, service: str) -> list[Point]:
    """Those that have a capacity and count."""
    points = [point for turn in part.rounds(service) for point in turn if point.capacity_rps]
    return [point for point in points if point.valid] or points


def _at_least(part: Part, service: str) -> str:
    """A sign where the generator came to its own limit first: the service failed at no rate."""
    bounds = (point.failed_at_rps is None for point in _points(part, service))
    return "≥ " if any(bounds) else ""


def _ranking(part: Part) -> Ranking:
    """Who is behind another with a lower bound may as well be before it."""
    scenario = next(iter(part.scenarios()), "")
    names = _ranked(part)
    order = ranking.of_scenario(part, scenario, "capacity_rps", names)

    def tied(one: str, other: str) -> bool:
        behind = max(one, other, key=names.index)
        return bool(_at_least(part, behind)) or order.tied(one, other)

    return replace(order, tied=tied)


def finding(part: Part) -> str:
    """Who sustains the most and the least."""
    found, order = of_services(part), _ranking(part)

    def median(name: str) -> float | None:
        return valid_median(found[name], "capacity_rps")

    values = {
        name: f"{_at_least(part, name)}{facts.number(median(name))} requests/s"
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
        ("capacity", "requests/s", lambda row: _capacity(part, row)),
        ("failed at", "requests/s", lambda row: spread(row.failed_at_rps)),
        ("because", "", lambda row: text(_because(part, row.service) or facts.NOTHING)),
        ("p99 at capacity", "ms", lambda row: spread(row.p99_ms)),
        ("CPU per request there", "ms", lambda row: spread(row.cpu_ms_per_request)),
    ]
    caption = f"Capacity: the highest rate with no failure and a p99 within {_limit(part)}"
    return [by_summary(caption, columns, _ranked(part), of_services(part), part)]


def _capacity(part: Part, row: Summary, note: str = "") -> Cell:
    shown = spread(row.capacity_rps, note=note)
    return replace(shown, text=_at_least(part, row.service) + shown.text)


def _because(part: Part, service: str) -> str:
    """Why the lowest rate that failed did, in the round whose capacity is the median."""
    points = sorted(_points(part, service), key=lambda point: point.capacity_rps or 0.0)
    return _failure(points[(len(points) - 1) // 2]) if points else ""


def _failure(point: Point) -> str:
    """Of the last try at the lowest rate that failed; one below may have failed by bad luck."""
    failed = [probe for probe in point.probes if not probe["sustained"]]
    above = [probe for probe in failed if probe["rate_rps"] > (point.capacity_rps or 0.0)]
    lowest = min((probe["rate_rps"] for probe in above), default=None)
    because = [str(probe["because"]) for probe in above if probe["rate_rps"] == lowest]
    return because[-1] if because else ""


def charts(part: Part) -> list[Chart]:
    """A bar for each service, with a tick at the rate it failed at."""
    found = of_services(part)
    if not found:
        return []
    bars = [_bar(part, name, found.get(name)) for name in _ranked(part)]
    alt = f"capacity, requests/s: {rows.said_bars(bars)}"
    bars += [rows.Bar(name, None, rows.UNABLE) for name in part.cannot]
    name = f"{part.prefix}capacity"
    svg = canvas.svg(lambda: rows.bars(bars, "capacity, requests/s"), name)
    caption = (
        f"Requests arrive at a rate, with no regard to the answers; before a {_load(part)}. The "
        f"bar ends at the highest rate with no failure and a p99 within {_limit(part)}, the tick "
        "stands at the lowest rate that was tried and was too much: what a service can do lies "
        "between the two. Without a tick it can do more: the generator could not."
        f"{_most(part)}"
    )
    return [Chart(name, "Capacity", caption, alt, svg)]


def _most(part: Part) -> str:
    """What nobody can pass: each waiting request takes a slot of the service."""
    infos = (about.get("info") for about in part.run.services.values())
    slots = max((int(info["slots"]) for info in infos if info), default=0)
    if not slots:
        return ""
    most = facts.number(slots / float(part.settings["delay_s"]))
    return f" Nobody can pass {most}/s: no more than {slots:,} requests wait at once."


def _bar(part: Part, name: str, row: Summary | None) -> rows.Bar:
    if row is None:
        return rows.Bar(name, None, "not measured")
    if row.failed_at_rps is None or _at_least(part, name):
        note = ", the generator's limit" if row.capacity_rps else ""
        return rows.Bar(name, row.capacity_rps, facts.state(row), note)
    failed_at = row.failed_at_rps.median
    note = f", failed at {facts.number(failed_at)}"
    return rows.Bar(name, row.capacity_rps, facts.state(row), note, mark=failed_at)


def cells(part: Part) -> dict[str, Cell]:
    """The capacity of each service, for a table of something else."""
    found = {name: row for name, row in of_services(part).items() if row.capacity_rps}
    return {
        name: _capacity(part, row, note="" if row.valid else " (invalid)")
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
            "that window. With ≥ where the generator came to its own limit before the service.",
        ),
        ("failed at", "The lowest rate that was tried and not sustained."),
    ),
)
