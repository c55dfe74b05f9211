"""The same service with one client to the backend and with another: what the client costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from loadtests.record import Summary
from loadtests.report import canvas, facts, families
from loadtests.report.canvas import Chart
from loadtests.report.cells import Cell, Column, Table, by_service, figure, of_summary, text
from loadtests.report.families import Family, Line, Value
from loadtests.report.parts import Part, scaled
from loadtests.report.sections import delay
from loadtests.report.sections.section import USERS_AND_DELAY, Section

BARE = "bare"
FEW = 50  # users, at least, at which a request's CPU time is compared
NEAR = 0.9  # of the most that a client answers: then the CPU time decides
APART = 2.0  # times: clients that differ by more are told from each other without a ranking
NOBODY = "nobody served"


# How a model is said of a framework.
WITH = {"threads": "with threads", "greenlets": "with greenlets", "event loop": "on an event loop"}


@dataclass(frozen=True)
class Contrast:
    """Of a family at a number of users the client that answers least, and the best one.

    That is the cheapest of those that answer about as much as any.
    """

    worst: Summary
    best: Summary

    @property
    def times(self) -> float:
        worst, best = _rps(self.worst), _rps(self.best)
        return best / worst if worst else float("inf") if best else 1.0


def client(part: Part, service: str) -> str:
    """The client of a service, in a word or two."""
    about = part.run.services[service]
    return BARE if about.get("kind") == BARE else str(about["client"]).partition(",")[0]


def members(part: Part) -> dict[str, list[str]]:
    """The services of each family, that with the most requests/s first.

    A family has one framework, server and way of waiting: its title has of them what tells
    it from others.
    """
    services = [name for name in facts.services(part.run) if name in part.run.services]
    of = {name: _family(part.run.services[name]) for name in services}
    most = _levels(part)[-1] if part.run.summary else 0
    rows = part.by_users()

    def rank(name: str) -> tuple[str, tuple[str, ...], float, str]:
        row = rows.get((name, most))
        return (of[name][0].lower(), of[name], -_rps(row) if row else 1.0, name)

    found: dict[str, list[str]] = {}
    for name in sorted(services, key=rank):
        found.setdefault(_title(of[name], set(of.values())), []).append(name)
    return found


def _family(about: dict[str, Any]) -> tuple[str, ...]:
    return (about["framework"], about["model"], about["server"])


def _title(family: tuple[str, ...], others: set[tuple[str, ...]]) -> str:
    """Flask; Flask, threads; Flask, threads, Granian."""
    size = next(n for n in (1, 2, 3) if sum(one[:n] == family[:n] for one in others) == 1)
    return ", ".join(family[:size])


def _levels(part: Part) -> list[int]:
    return sorted({row.users for row in part.run.summary})


def _few(part: Part) -> int:
    levels = _levels(part)
    return next((users for users in levels if users >= FEW), levels[-1])


def _rps(row: Summary) -> float:
    return row.rps.median if row.rps else 0.0


def _cpu_ms(row: Summary) -> float:
    return row.cpu_ms_per_request.median if row.cpu_ms_per_request else float("inf")


def _delay_s(part: Part) -> float:
    return float(part.settings["delay_s"])


def starved(row: Summary) -> bool:
    """Whether nobody had a right answer: that is a result, though there are no response times."""
    return row.rps is not None and row.rps.max == 0


def _known(row: Summary) -> bool:
    return row.valid or starved(row)


def _contrasts(part: Part, users: int) -> Iterator[Contrast]:
    """One of each family with at least two services that people run."""
    rows = part.by_users()
    for names in members(part).values():
        found = [rows[name, users] for name in names if (name, users) in rows]
        stock = [row for row in found if row.service not in part.marks and _known(row)]
        if len(stock) > 1:
            most = max(map(_rps, stock))
            near = [row for row in stock if _rps(row) >= NEAR * most]
            yield Contrast(min(stock, key=_rps), min(near, key=_cpu_ms))


def finding(part: Part) -> str:
    """What a client costs, where it costs most at the fewest users at which it costs much."""
    levels = _levels(part)
    widest: Contrast | None = None
    for users in [users for users in levels if users >= FEW] or levels[-1:]:
        found = list(_contrasts(part, users))
        widest = max(found, key=lambda one: one.times, default=None)
        if widest and widest.times > APART:
            break
    return _said(part, widest) if widest else delay.finding(part)


def _said(part: Part, found: Contrast) -> str:
    worst, best = found.worst, found.best
    load, limit = facts.workload(worst.users, worst.delay_s), worst.users / worst.delay_s
    about = part.run.services[worst.service]
    said = f"In {about['framework']} {WITH.get(about['model'], about['model'])} at {load} "
    said += f"{client(part, worst.service)} answers "
    said += f"{_number(worst)} of {facts.number(limit)} requests/s and "
    said += f"{client(part, best.service)} {_number(best)}"
    if worst.cpu_ms_per_request and best.cpu_ms_per_request:
        more, less = (f"{facts.number(_cpu_ms(row))} ms" for row in (worst, best))
        said += f"; a request takes {more} of CPU time with the one and {less} with the other"
    return f"{said}."


def _number(row: Summary) -> str:
    return facts.number(_rps(row)) if _rps(row) else "none"


def tables(part: Part) -> list[Table]:
    """One row a service, those of a family together."""
    if not part.run.summary:
        return []
    rows, few, most = part.by_users(), _few(part), _levels(part)[-1]

    def answered(users: int) -> Callable[[str], Cell]:
        return lambda name: _answered(part, rows.get((name, users)))

    columns: list[Column[str]] = [
        ("client", "", lambda name: text(client(part, name))),
        (f"at {few:,} users", "requests/s", answered(few)),
        (f"at {most:,} users", "requests/s", answered(most)),
        (
            f"CPU per request at {few:,} users",
            "ms",
            lambda name: of_summary(rows.get((name, few)), "cpu_ms_per_request"),
        ),
    ]
    columns = [column for place, column in enumerate(columns) if few != most or place != 2]
    caption = f"Requests/s with each client, before a {facts.seconds(_delay_s(part))} backend"
    names = [name for family in members(part).values() for name in family]
    return [by_service(caption, columns, names, lambda name: _state(part, name), part)]


def _state(part: Part, service: str) -> str:
    """As of a part; a service that served nobody at one number of users is not invalid for it."""
    return "missing" if part.state(service) == "missing" else ""


def _answered(part: Part, row: Summary | None) -> Cell:
    """Requests/s, and how many users had none of them."""
    shown = of_summary(row, "rps")
    if row is None or row.rps is None:
        return shown
    if starved(row):
        return replace(figure(0.0), spread=NOBODY)
    served = [
        point.served
        for point in part.run.points
        if (point.service, point.scenario, point.valid) == (row.service, row.scenario, row.valid)
        and point.served is not None
    ]
    if not served or min(served) == row.users:
        return shown
    few = f"{min(served):,} of {row.users:,} users served"
    return replace(shown, spread=f"{shown.spread}, {few}" if shown.spread else few)


def charts(part: Part) -> list[Chart]:
    """What each client costs, and how near each gets to the limit over the users."""
    return [_cost(part), _share(part)] if part.run.summary else []


def _cost(part: Part) -> Chart:
    few, most = _few(part), _levels(part)[-1]
    answered = f"requests/s at {most:,} users"
    cpu = f"CPU per request at {few:,} users, ms"
    drawn = _families(part)
    said = {
        one.title: ", ".join(f"{line.name} {_words(line, few, most)}" for line in one.lines)
        for one in drawn
    }
    alt = "; ".join(f"{title}: {words}" for title, words in said.items())
    name = f"{part.prefix}clients"
    svg = canvas.svg(lambda: families.rows(drawn, few, most, (answered, cpu)), name)
    caption = (
        "In each group the framework, its server and the way of waiting are the same, and only the "
        "client to the backend differs. Left what one core answers with it, to the right more; "
        "right what a request costs it while it has time to spare, to the left less. Both axes are "
        f"logarithmic. × : {NOBODY}."
    )
    return Chart(name, "What the client costs", caption, f"{answered} and {cpu}: {alt}", svg)


def _words(line: Line, few: int, most: int) -> str:
    """The two figures of a line, in words."""
    values = {users: value for users, value in line.values.items() if value}
    answered = values[most].rps if most in values else None
    cpu = values[few].cpu if few in values else None
    said = f"{facts.number(answered.median)}/s" if answered else "not measured"
    return f"{said}, {facts.number(cpu.median)} ms" if cpu else said


def _share(part: Part) -> Chart:
    drawn = _families(part)
    most = _levels(part)[-1]
    name = f"{part.prefix}clients-share"
    svg = canvas.svg(lambda: families.panels(drawn, _levels(part)), name)
    alt = "share of the limit, %: " + "; ".join(
        f"{one.title}: "
        + ", ".join(
            f"{line.name} {facts.number(value.share.median)} at {users:,}"
            for line in one.lines
            for users, value in line.values.items()
            if users == most and value.share
        )
        for one in drawn
    )
    caption = (
        "How much of users ÷ delay each client answers, the more users the harder: where a line "
        f"falls the one core is spent. × : {NOBODY}. Hollow: not valid."
    )
    return Chart(name, "Share of the limit by client and users", caption, alt, svg)


def _families(part: Part) -> list[Family]:
    rows = part.by_users()
    found = []
    for title, names in members(part).items():
        lines = []
        clients = [client(part, name) for name in names]
        for name, of in zip(names, clients, strict=True):
            own = {users: row for (service, users), row in rows.items() if service == name}
            values = {users: _value(row) for users, row in sorted(own.items())}
            lines.append(Line(of if clients.count(of) == 1 else name, of, values))
        found.append(Family(title, lines))
    return found


def _value(row: Summary) -> Value:
    share = scaled(row.rps, 100 * row.delay_s / row.users) if row.rps else None
    return Value(row.rps, share, row.cpu_ms_per_request, "" if starved(row) else facts.state(row))


SECTION = Section(
    finding,
    tables,
    charts,
    terms=(
        *USERS_AND_DELAY,
        ("client", "The library with which the service calls its backend; “bare” is none."),
        ("users served", "Those that had a right answer within the window."),
        (
            NOBODY,
            "No user had a right answer within the window: 0 requests/s, and no response times.",
        ),
    ),
)
