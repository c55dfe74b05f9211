"""Delays × users: how near each service gets to the limit, and who is cheapest where."""

from __future__ import annotations

from dataclasses import dataclass

from loadtests.record import Spread, Summary, noise
from loadtests.report import canvas, facts, heat
from loadtests.report.canvas import Chart
from loadtests.report.cells import Cell, Column, Table, by_service, of_summary, service, table, text
from loadtests.report.parts import Part
from loadtests.report.sections.section import USERS_AND_DELAY, Section

# Who delivers so much of the limit is fast enough, and then the CPU decides.
ENOUGH = 0.9
Place = tuple[float, int]


@dataclass(frozen=True)
class Winner:
    """Who is cheapest at a delay and number of users, or gets furthest where nobody gets there.

    `ties` are the others that are within noise of it.
    """

    service: str
    value: Spread
    enough: bool
    ties: tuple[str, ...]

    def said(self) -> str:
        """0.064 ms or 9,540/s."""
        number = facts.number(self.value.median)
        return f"{number} ms" if self.enough else f"{number}/s"


def _places(part: Part) -> list[Place]:
    return sorted({(row.delay_s, row.users) for row in part.run.summary})


def _rows(part: Part) -> dict[str, dict[Place, Summary]]:
    found: dict[str, dict[Place, Summary]] = {}
    for row in part.run.summary:
        found.setdefault(row.service, {})[row.delay_s, row.users] = row
    return found


def winner(part: Part, place: Place) -> Winner | None:
    """Of valid results only; None where there is none."""
    delay_s, users = place
    limit_rps = users / delay_s
    here = [row for row in part.run.summary if (row.delay_s, row.users) == place and row.valid]
    here = [row for row in here if row.service not in noise.doubles(part.run)]
    enough = {
        row.service: row.cpu_ms_per_request
        for row in here
        if row.rps and row.cpu_ms_per_request and row.rps.median >= ENOUGH * limit_rps
    }
    if enough:
        return _first(part, here[0].scenario, enough, True)
    reached = {row.service: row.rps for row in here if row.rps}
    return _first(part, here[0].scenario, reached, False) if reached else None


def _first(part: Part, scenario: str, found: dict[str, Spread], enough: bool) -> Winner:
    """The least CPU, or the most requests/s."""
    tied = noise.tied(part.run, scenario, "cpu_ms_per_request" if enough else "rps")
    sign = 1 if enough else -1
    best = min(found, key=lambda name: (sign * found[name].median, name))
    ties = sorted(name for name in found if name != best and tied(best, name))
    return Winner(best, found[best], enough, tuple(ties))


def _ranked(part: Part) -> list[str]:
    """Who delivers most of the limits on average first."""
    rows, places = _rows(part), _places(part)

    def rank(name: str) -> float | None:
        shares = [
            row.rps.median * delay_s / users
            for (delay_s, users), row in rows.get(name, {}).items()
            if row.valid and row.rps
        ]
        return -sum(shares) / len(places) if shares else None

    return part.services(rank)


def finding(part: Part) -> str:
    """Where who is cheapest."""
    won: dict[str, int] = {}
    winners = [found for place in _places(part) if (found := winner(part, place))]
    for found in winners:
        won[found.service] = won.get(found.service, 0) + 1
    if not won:
        return ""
    order = sorted(won, key=lambda name: (-won[name], name))
    said = ", ".join(f"{name} in {won[name]}" for name in order)
    tied = sum(bool(found.ties) for found in winners)
    text = f"The cheapest in {len(winners)} combinations of delay and users: {said}"
    return f"{text}; in {tied} of them others are within noise of it." if tied else f"{text}."


def tables(part: Part) -> list[Table]:
    """Who is cheapest at each place, and a table of efficiency for each delay."""
    places = _places(part)
    if not places:
        return []
    delays = sorted({delay_s for delay_s, _ in places})
    return [_winners(part, places), *(_table(part, delay_s) for delay_s in delays)]


def _winners(part: Part, places: list[Place]) -> Table:
    won = {place: winner(part, place) for place in places}

    def of(place: Place) -> Cell:
        found = won[place]
        return service(found.service, part) if found else text(facts.NOTHING)

    def value(place: Place) -> Cell:
        found = won[place]
        return Cell(found.said() if found else facts.NOTHING, number=True)

    def ties(place: Place) -> Cell:
        found = won[place]
        return text(", ".join(found.ties) if found and found.ties else facts.NOTHING)

    columns: list[Column[Place]] = [
        ("users × delay", "", lambda place: text(facts.workload(place[1], place[0]))),
        ("cheapest", "", of),
        ("CPU per request, or requests/s", "", value),
        ("within noise of it", "", ties),
    ]
    return table("Who is cheapest where", columns, places, lambda place: "")


def _table(part: Part, delay_s: float) -> Table:
    rows = _rows(part)
    levels = [users for delay, users in _places(part) if delay == delay_s]

    def column(users: int) -> Column[str]:
        return (
            f"{users:,} users",
            "%",
            lambda name: of_summary(
                rows.get(name, {}).get((delay_s, users)), "efficiency", scale=100
            ),
        )

    caption = f"Of the ceiling, before a {facts.seconds(delay_s)} backend"
    columns = [column(users) for users in levels]
    return by_service(caption, columns, _ranked(part), part.state, part)


def charts(part: Part) -> list[Chart]:
    """A map of efficiency for each service, and one of who is cheapest where."""
    if not part.run.summary:
        return []
    return [_efficiency(part), _cheapest(part)]


def _axes(part: Part) -> heat.Axes:
    places = _places(part)
    return heat.Axes(
        sorted({delay_s for delay_s, _ in places}), sorted({users for _, users in places})
    )


def _efficiency(part: Part) -> Chart:
    rows = _rows(part)
    maps = {
        name: {place: _share(row) for place, row in rows.get(name, {}).items()}
        for name in _ranked(part)
    }
    alt = "efficiency, %: " + "; ".join(f"{name} {_said(cells)}" for name, cells in maps.items())
    name = f"{part.prefix}efficiency"
    svg = canvas.svg(lambda: heat.maps(maps, _axes(part)), name)
    caption = (
        "Across the users, upwards the delay; in each cell the efficiency in percent, that is the "
        "share of the service's own ceiling that it delivered. Hatched: not valid. × : nothing "
        "could be measured."
    )
    return Chart(name, "Efficiency by delay and users", caption, alt, svg)


def _share(row: Summary) -> heat.Cell:
    value = row.efficiency.median if row.efficiency else None
    return heat.Cell(value, facts.state(row))


def _said(cells: dict[Place, heat.Cell]) -> str:
    return ", ".join(
        f"{facts.workload(users, delay_s)} {heat.words(cell)}"
        + (f" ({cell.state})" if cell.state else "")
        for (delay_s, users), cell in sorted(cells.items())
    )


def _cheapest(part: Part) -> Chart:
    won = {place: found for place in _places(part) if (found := winner(part, place))}
    regions = {
        place: heat.Region(found.service, found.said(), found.ties, found.enough)
        for place, found in won.items()
    }
    alt = "the cheapest: " + ", ".join(
        f"{facts.workload(users, delay_s)} {found.service} {found.said()}"
        for (delay_s, users), found in won.items()
    )
    name = f"{part.prefix}cheapest"
    svg = canvas.svg(lambda: heat.regions(regions, _axes(part)), name)
    caption = (
        "The cheapest is who needs the least CPU for a request, of those that deliver at least "
        f"{100 * ENOUGH:g} % of the arithmetic limit, users ÷ delay. Where nobody does (written as "
        "requests/s) it is who delivers the most. Thick lines are the crossovers between regions; "
        "they are missing where the two are within noise, so that the run cannot tell. +1 stands "
        "for another service within noise of the one that is named."
    )
    return Chart(name, "Who is cheapest where", caption, alt, svg)


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        *USERS_AND_DELAY,
        (
            "cheapest",
            f"The least CPU per request of those that deliver {100 * ENOUGH:g} % of users ÷ delay; "
            "where nobody does, the most requests/s.",
        ),
    ),
)
