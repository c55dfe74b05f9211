"""The same service with one client to the backend and with another: what the client costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from loadtests.record import Summary
from loadtests.report.charts import bars, heat
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import PERFECT_TOLD, Chart
from loadtests.report.charts.series import of_perfect
from loadtests.report.results import facts, variants
from loadtests.report.results.parts import Part
from loadtests.report.results.variants import (
    Contrast,
    client,
    cpu_ms,
    levels,
    members,
    rps,
    starved,
)
from loadtests.report.section import USERS_AND_DELAY, Section
from loadtests.report.tables import controlled
from loadtests.report.tables.cells import Cell, Column, Table, by_service, figure, of_summary, text
from loadtests.report.tables.controlled import Measured
from loadtests.report.tables.perfect import with_perfect
from loadtests.workloads.delay import section as delay

NOBODY = "nobody served"
# How a model is said of a framework.
WITH = {"threads": "with threads", "greenlets": "with greenlets", "event loop": "on an event loop"}


def finding(part: Part) -> str:
    """The cost of a client, where it is highest at the fewest users at which it is high."""
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
    return facts.at_least(row, "rps") + facts.number(rps(row)) if rps(row) else "none"


def tables(part: Part) -> list[Table]:
    """One row a service, those of a family together."""
    if not part.run.summary:
        return []
    rows, widest = part.by_users(), variants.widest(part)

    def answered(users: int) -> Callable[[str], Cell]:
        return lambda name: _answered(part, rows.get((name, users)))

    def cpu(users: int) -> Callable[[str], Cell]:
        return lambda name: of_summary(rows.get((name, users)), "cpu_ms_per_request")

    # CPU at few users, and where the finding is, which quotes it.
    costs = sorted({variants.few(part), *([widest.worst.users] if widest else [])})
    columns: list[Column[str]] = [("client", "", lambda name: text(client(part, name)))]
    columns += [(f"at {users:,} users", "requests/s", answered(users)) for users in levels(part)]
    columns += [(f"CPU per request at {users:,} users", "ms", cpu(users)) for users in costs]
    delay_s = float(part.settings["delay_s"])
    caption = f"Requests/s with each client, before a {facts.seconds(delay_s)} backend"
    names = [name for family in members(part).values() for name in family]
    made = by_service(caption, columns, names, lambda name: _state(part, name), part)
    scenarios = {users: row.scenario for (_, users), row in rows.items()}
    straight = {f"at {users:,} users": (scenarios[users], "rps") for users in levels(part)}
    return [with_perfect(made, part, straight), *controlled.tables(part, _measured(part))]


def _measured(part: Part) -> list[Measured]:
    """The figures in which pairs are compared."""
    scenarios = {row.users: row.scenario for row in part.run.summary}
    few, most = variants.few(part), levels(part)[-1]
    cpu = f"CPU per request at {few:,} users"
    return [
        controlled.of_scenario(part, f"requests/s at {most:,} users", scenarios[most], "rps"),
        controlled.of_scenario(part, cpu, scenarios[few], "cpu_ms_per_request"),
    ]


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
    served = (
        []
        if row.starved
        else [
            point.served
            for point in part.run.points
            if (point.service, point.scenario, point.valid)
            == (row.service, row.scenario, row.valid)
            and point.served is not None
        ]
    )
    if not served or min(served) == row.users:
        return shown
    few = f"{min(served):,} of {row.users:,} users served"
    return replace(shown, spread=f"{shown.spread}, {few}" if shown.spread else few)


def charts(part: Part) -> list[Chart]:
    """The cost of each client, and how near each gets to the limit over the users."""
    return [_cost(part), _share(part)] if part.run.summary else []


def _cost(part: Part) -> Chart:
    few, most = variants.few(part), levels(part)[-1]
    straight = of_perfect(part, "rps", part.by_users()).get(most)
    sides = [
        (Axis(f"requests/s at {most:,} users", perfect=straight), _bars(part, most, "rps")),
        (
            Axis(f"CPU per request at {few:,} users, ms", log=True),
            _bars(part, few, "cpu_ms_per_request"),
        ),
    ]
    alt = "; ".join(f"{axis.title}: {bars.said(drawn)}" for axis, drawn in sides)
    caption = (
        "In each group the framework, its server and the way of waiting are the same, and only the "
        "client to the backend differs. Left what one core answers with it, more is better; "
        "right what a request costs it while it has time to spare, on a logarithmic axis, less is "
        "better." + (PERFECT_TOLD if straight else "")
    )
    spec = bars.beside_each_other(part.run, members(part), sides)
    return Chart(f"{part.prefix}clients", "What the client costs", caption, alt, spec)


def _bars(part: Part, users: int, field: str) -> list[Bar]:
    rows = part.by_users()
    names = [name for family in members(part).values() for name in family]
    return [_bar(name, rows.get((name, users)), field) for name in names]


def _bar(name: str, row: Summary | None, field: str) -> Bar:
    if row is None:
        return Bar(name, None, "not measured")
    spread = getattr(row, field)
    if starved(row):
        return Bar(name, spread, "" if spread else NOBODY, note=f", {NOBODY}")
    bound = facts.bounds([row]) if facts.at_least(row, field) else ""
    return Bar(name, spread, facts.state(row) or ("" if spread else "not measured"), bound=bound)


def _share(part: Part) -> Chart:
    rows = part.by_users()
    families, data, said = members(part), [], []
    for title, names in families.items():
        cells = {
            name: {n: _cell(rows[name, n]) for n in levels(part) if (name, n) in rows}
            for name in names
        }
        data += heat.headed(title, part.run, cells)
        said.append(f"{title}: {heat.said(cells)}")
    caption = (
        "How much of users ÷ delay each client answers, in percent, the more users the harder: "
        f"where it falls the one core is spent. 0 : {NOBODY}. Framed: not valid."
    )
    name = f"{part.prefix}clients-share"
    alt = "share of the limit, %: " + "; ".join(said)
    return Chart(name, "Share of the limit by client and users", caption, alt, heat.chart(data))


def _cell(row: Summary) -> heat.Cell:
    """That nobody was served is a result, and not invalid."""
    cell = heat.of_summary(row)
    return replace(cell, state="") if starved(row) else cell


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
