"""Requests that are held open, more and more of them: what one that waits costs in memory."""

from __future__ import annotations

from collections.abc import Callable
from statistics import linear_regression

from loadtests.catalog import PROCESSES
from loadtests.record import Point
from loadtests.report import canvas, facts, plots, ranking, rows
from loadtests.report.canvas import Chart
from loadtests.report.cells import Cell, Column, Table, by_service, of_summary, place, spread, text
from loadtests.report.parts import Derived, Part, derived, scaled
from loadtests.report.ranking import Ranking
from loadtests.report.sections.section import Section
from loadtests.report.series import Measure, Series
from loadtests.report.tables import MIB

KIB = 1024
# The first requests also bring in what is there only once: code, pools, buffers.
SETTLED = 100
OVER = "requests held"
MEMORY = Measure(
    "memory",
    "pss_bytes",
    "Memory",
    "memory, MiB",
    "Memory of the service's whole process tree (PSS: pages that processes share are counted once) "
    "while so many requests wait at once. The slope is the price of a waiting request.",
    scale=1 / MIB,
    proportional=True,
)
# What stands in for a waiting request, by a word of service.toml's `waits`.
WAITERS = {
    "process": "a process",
    "thread": "a thread",
    "greenlet": "a greenlet",
    "callback": "a callback",
    "Future": "a callback",
    "Deferred": "a callback",
    "generator": "a generator",
    "coroutine": "a coroutine",
}


def waiter(part: Part, service: str) -> str:
    """What waits in a service, in one of few words."""
    waits = str(part.run.services[service]["waits"])
    return next((name for word, name in WAITERS.items() if word in waits), waits)


def slope(*fields: str) -> Callable[[Part, str], Derived | None]:
    """What a figure grows by with each request held, by least squares, round by round.

    Of several fields the first that was measured.
    """

    def of(points: list[Point], settled_at: int) -> float | None:
        settled = [point for point in points if point.users >= settled_at]
        for field in fields:
            known = {p.users: value for p in settled if (value := getattr(p, field)) is not None}
            if len(known) > 1:
                return linear_regression(list(known), list(known.values())).slope
        return None

    def found(part: Part, service: str) -> Derived | None:
        # Processes are not settled by requests: each number of them is a service started anew.
        model = part.run.services.get(service, {}).get("model")
        settled_at = 1 if model == PROCESSES else SETTLED
        return derived(part, service, lambda points: of(points, settled_at))

    return found


memory = slope("pss_bytes", "rss_bytes")
threads, descriptors = slope("threads"), slope("descriptors")


def _ranked(part: Part) -> list[str]:
    """The least memory of a request first."""

    def rank(name: str) -> float | None:
        found = memory(part, name)
        return found.spread.median if found and found.valid else None

    return part.services(rank)


def _ranking(part: Part) -> Ranking:
    names = _ranked(part)
    return ranking.of_derived(part, {name: memory(part, name) for name in names}, names)


def finding(part: Part) -> str:
    """Whose waiting requests take the least and the most memory."""
    values = {
        name: f"{facts.number(found.spread.median / KIB)} KiB ({waiter(part, name)})"
        for name in _ranked(part)
        if (found := memory(part, name))
    }
    said = ranking.contrast(_ranking(part), values, "the least", "the most")
    return said and f"A waiting request costs {said}."


def tables(part: Part) -> list[Table]:
    """One row a service: what a waiting request costs, and the memory at each number held."""
    found = part.by_users()
    if not found:
        return []
    levels = sorted({held for _, held in found} & set(part.settings["held"]))

    def at(held: int, field: str, scale: float = 1) -> Callable[[str], Cell]:
        return lambda name: of_summary(found.get((name, held)), field, scale=scale)

    order = _ranking(part)
    columns: list[Column[str]] = [
        ("place", "", lambda name: place(order, name)),
        ("what waits", "", lambda name: text(waiter(part, name))),
        ("memory", "KiB a request", lambda name: spread(memory(part, name), 1 / KIB)),
        ("threads", "a request", lambda name: spread(threads(part, name))),
        ("descriptors", "a request", lambda name: spread(descriptors(part, name))),
        *((f"memory at {n:,}", "MiB", at(n, "pss_bytes", 1 / MIB)) for n in levels),
        (f"threads at {levels[-1]:,}", "", at(levels[-1], "threads")),
    ]
    caption = "What a waiting request costs"
    return [by_service(caption, columns, _ranked(part), part.state, part)]


def charts(part: Part) -> list[Chart]:
    """Bars of the memory of a waiting request by what waits, and the memory over their number."""
    if not part.run.summary:
        return []
    series = Series(part.run, MEMORY, _ranked(part), part.by_users(), over=OVER)
    title = f"{MEMORY.title} against {OVER}"
    return [_bars(part), plots.chart(series, f"{part.prefix}{MEMORY.name}", title)]


def _bars(part: Part) -> Chart:
    bars = [_bar(part, name) for name in _ranked(part)]
    alt = "memory of a waiting request, KiB: " + rows.said_bars(bars)
    bars += [rows.Bar(name, None, rows.UNABLE) for name in part.cannot]
    name = f"{part.prefix}request-memory"
    sizes = [bar.spread.min for bar in bars if bar.spread]
    # A process beside a coroutine: on a linear axis the short bars could not be told apart.
    log = bool(sizes) and max(sizes) > 100 * min(sizes) > 0
    svg = canvas.svg(lambda: rows.bars(bars, "memory per waiting request, KiB", log=log), name)
    caption = (
        "The slope of the service's memory over the number of requests that wait in it, from "
        f"{SETTLED} up (of processes over their number), fitted to each round. It holds the "
        "client's connection, the call to the backend, and whatever waits between them; not what "
        "the kernel keeps for sockets."
    )
    return Chart(name, "Memory of a waiting request", caption, alt, svg)


def _bar(part: Part, name: str) -> rows.Bar:
    found, group = memory(part, name), waiter(part, name)
    if found is None:
        state = part.state(name)
        bad = state if state in ("failed", "invalid") else "not measured"
        return rows.Bar(name, None, bad, group=group)
    state = "" if found.valid else "invalid"
    return rows.Bar(name, scaled(found.spread, 1 / KIB), state, group=group)


SECTION = Section(
    finding,
    tables,
    charts,
    derived={
        "request_bytes": memory,
        "request_threads": threads,
        "request_descriptors": descriptors,
    },
    terms=(
        (
            "held",
            "Requests that were sent and wait for a backend slower than the measurement.",
        ),
        (
            "a request",
            f"The slope over the requests held, by least squares from {SETTLED} up, by rounds.",
        ),
        (
            "memory",
            "PSS of the process tree: a page that several processes share is counted once.",
        ),
    ),
)
