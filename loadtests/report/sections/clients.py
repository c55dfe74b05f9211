"""The same service with one client to the backend and with another: what the client costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loadtests.record import Summary
from loadtests.report import canvas, facts, families, variants
from loadtests.report.canvas import Chart
from loadtests.report.cells import Cell, Column, Table, by_service, figure, of_summary, text
from loadtests.report.families import Family, Line, Value
from loadtests.report.parts import Part, scaled
from loadtests.report.sections import delay
from loadtests.report.sections.section import USERS_AND_DELAY, Section
from loadtests.report.variants import Contrast, client, cpu_ms, levels, members, rps, starved

NOBODY = "nobody served"
# How a model is said of a framework.
WITH = {"threads": "with threads", "greenlets": "with greenlets", "event loop": "on an event loop"}


def finding(part: Part) -> str:
    """What a client costs, where it costs most at the fewest users at which it costs much."""
    widest = variants.widest(part)
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
        more, less = (f"{facts.number(cpu_ms(row))} ms" for row in (worst, best))
        said += f"; a request takes {more} of CPU time with the one and {less} with the other"
    return f"{said}."


def _number(row: Summary) -> str:
    return facts.number(rps(row)) if rps(row) else "none"


def tables(part: Part) -> list[Table]:
    """One row a service, those of a family together."""
    if not part.run.summary:
        return []
    rows, few, most = part.by_users(), variants.few(part), levels(part)[-1]

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
    delay_s = float(part.settings["delay_s"])
    caption = f"Requests/s with each client, before a {facts.seconds(delay_s)} backend"
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
    few, most = variants.few(part), levels(part)[-1]
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
    most = levels(part)[-1]
    name = f"{part.prefix}clients-share"
    svg = canvas.svg(lambda: families.panels(drawn, levels(part)), name)
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
