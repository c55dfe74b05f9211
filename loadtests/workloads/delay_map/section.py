"""Delays × users: how near each service gets to the limit, and who is cheapest where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from loadtests.record import Spread, Summary, noise
from loadtests.report.charts import heat, regions
from loadtests.report.charts.chart import Chart
from loadtests.report.results import facts
from loadtests.report.results.parts import Part
from loadtests.report.section import USERS_AND_DELAY, Section
from loadtests.report.tables.cells import (
    Cell,
    Column,
    Table,
    by_service,
    of_summary,
    service,
    table,
    text,
)
from loadtests.report.tables.perfect import with_perfect

# A service that delivers so much of the limit is fast enough, and then CPU decides.
ENOUGH = 0.9
Place = tuple[float, int]


@dataclass(frozen=True)
class Winner:
    """The cheapest service at a delay and number of users; the fastest where none is fast enough.

    `ties` are the others that are within noise of it.
    """

    service: str
    value: Spread
    enough: bool
    ties: tuple[str, ...]
    bound: str = ""

    def said(self) -> str:
        """0.064 ms or 9,540/s."""
        number = facts.number(self.value.median)
        return f"{number} ms" if self.enough else f"{self.bound}{number}/s"


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
    rows = part.rows(scenario)
    if not enough:  # one that is behind with a lower bound may as well be before
        bounded = {name for name in found if facts.at_least(rows[name], "rps")}
        ties = sorted({*ties, *bounded} - {best})
    sign_of = "" if enough else facts.at_least(rows[best], "rps")
    return Winner(best, found[best], enough, tuple(ties), sign_of)


def _ranked(part: Part) -> list[str]:
    """The services, by the mean share of the limits that they deliver."""
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
    """The cheapest service at each place, and a table of efficiency for each delay."""
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

    def share(users: int) -> Callable[[str], Cell]:
        at = delay_s, users
        scale = 100 * delay_s / users
        return lambda name: of_summary(rows.get(name, {}).get(at), "rps", scale)

    caption = f"Of the limit, users ÷ delay, before a {facts.seconds(delay_s)} backend"
    columns: list[Column[str]] = [(f"{users:,} users", "%", share(users)) for users in levels]
    made = by_service(caption, columns, _ranked(part), part.state, part)
    scenarios = {row.users: row.scenario for row in part.run.summary if row.delay_s == delay_s}
    straight = {f"{users:,} users": (name, "efficiency") for users, name in scenarios.items()}
    return with_perfect(made, part, straight)


def charts(part: Part) -> list[Chart]:
    """A map of efficiency for each service, and one of who is cheapest where."""
    if not part.run.summary:
        return []
    return [_efficiency(part), _cheapest(part)]


def _efficiency(part: Part) -> Chart:
    rows, ranked = _rows(part), _ranked(part)
    delays = sorted({delay_s for delay_s, _ in _places(part)})
    data, said = [], []
    for delay_s in delays:
        cells = {
            name: {
                users: heat.of_summary(row)
                for (delay, users), row in sorted(rows.get(name, {}).items())
                if delay == delay_s
            }
            for name in ranked
        }
        straight = {
            row.users: 100 * part.perfect(row.scenario)["rps"] * delay_s / row.users
            for row in part.run.summary
            if row.delay_s == delay_s and "rps" in part.perfect(row.scenario)
        }
        title = f"{facts.seconds(delay_s)} backend"
        data += heat.records(part.run, cells, straight, delay=title)
        said += [f"{title}: {heat.said(cells)}"]
    caption = (
        "A block for each delay, in it a column for each number of users; in each cell the share "
        "of users ÷ delay that a service delivered, in percent: the same limit for all. Framed: "
        "not valid. × : nothing could be measured. The last row of a block is a perfect service: "
        "the generator straight at the backend, where it was measured."
    )
    name = f"{part.prefix}efficiency"
    alt = "share of the limit, %: " + "; ".join(said)
    spec = heat.charts(data, "delay")
    return Chart(name, "Efficiency by delay and users", caption, alt, spec)


def _cheapest(part: Part) -> Chart:
    won = {place: found for place in _places(part) if (found := winner(part, place))}
    drawn = [
        regions.Region(delay_s, users, best.service, best.said(), best.ties)
        for (delay_s, users), best in won.items()
    ]
    alt = "the cheapest: " + ", ".join(
        f"{facts.workload(users, delay_s)} {best.service} {best.said()}"
        for (delay_s, users), best in won.items()
    )
    caption = (
        "The cheapest is who needs the least CPU for a request, of those that deliver at least "
        f"{100 * ENOUGH:g} % of the arithmetic limit, users ÷ delay. Where nobody does (written as "
        "requests/s, in italics) it is who delivers the most. +1 stands for another service "
        "within noise of the one that is named."
    )
    name = f"{part.prefix}cheapest"
    return Chart(name, "Who is cheapest where", caption, alt, regions.chart(part.run, drawn))


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
