"""Requests that are held open, more and more of them: what one that waits costs in memory."""

from __future__ import annotations

from collections.abc import Callable

from loadtests.report.charts import bars, lines
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import Chart
from loadtests.report.charts.series import Measure, Series
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Part, scaled
from loadtests.report.results.ranking import Ranking
from loadtests.report.results.waiting import (
    SETTLED,
    descriptors,
    kernel,
    memory,
    threads,
    waiter,
)
from loadtests.report.section import Section
from loadtests.report.tables import controlled
from loadtests.report.tables.cells import (
    Cell,
    Column,
    Table,
    by_service,
    of_summary,
    place,
    spread,
    text,
)
from loadtests.report.tables.common import KIB, MIB

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
    """Whose waiting requests take the least and the most memory, and the kernel's beside it."""
    values = {name: said for name in _ranked(part) if (said := _said(part, name))}
    said = ranking.contrast(_ranking(part), values, "the least", "the most")
    if not said:
        return ""
    text = f"A waiting request costs, in user space, {said}."
    if any(kernel(part, name) for name in values):
        text += " The kernel's part has both ends of its two connections."
    return text


def _said(part: Part, name: str) -> str:
    """The memory of one request in user space, and in the kernel where that was read."""
    user, own = memory(part, name), kernel(part, name)
    if user is None:
        return ""
    text = f"{facts.number(user.spread.median / KIB)} KiB"
    if own:
        text += f", and {facts.number(own.spread.median / KIB)} in the kernel"
    return f"{text} ({waiter(part, name)})"


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
        ("in user space", "KiB a request", lambda name: spread(memory(part, name), 1 / KIB)),
        ("in the kernel", "KiB a request", lambda name: spread(kernel(part, name), 1 / KIB)),
        ("threads", "a request", lambda name: spread(threads(part, name))),
        ("descriptors", "a request", lambda name: spread(descriptors(part, name))),
        *((f"memory at {n:,}", "MiB", at(n, "pss_bytes", 1 / MIB)) for n in levels),
        (f"threads at {levels[-1]:,}", "", at(levels[-1], "threads")),
    ]
    caption = "What a waiting request costs"
    if not any(kernel(part, name) for name in part.run.services):
        columns = [column for column in columns if column[0] != "in the kernel"]
    made = by_service(caption, columns, _ranked(part), part.state, part)
    each = {name: memory(part, name) for name in order.names}
    pairs = controlled.of_derived("user-space memory of a request", each, order)
    return [made, *controlled.tables(part, [pairs])]


def charts(part: Part) -> list[Chart]:
    """Bars of the memory of a waiting request by what waits, and the memory over their number."""
    if not part.run.summary:
        return []
    series = Series(part.run, MEMORY, _ranked(part), part.by_users(), over=OVER)
    title = f"{MEMORY.title} against {OVER}"
    return [_of_a_request(part), lines.chart(part, series, f"{part.prefix}{MEMORY.name}", title)]


def _of_a_request(part: Part) -> Chart:
    drawn = of_a_request(part)
    sizes = [bar.spread.min for bar in drawn if bar.spread]
    # A process beside a coroutine: on a linear axis the short bars could not be told apart.
    log = bool(sizes) and max(sizes) > 100 * min(sizes) > 0
    caption = (
        "The slope of the service's memory over the number of requests that wait in it, from "
        f"{SETTLED} up (of processes over their number), fitted to each round. It holds the "
        "client's connection, the call to the backend, and whatever waits between them, in user "
        "space; not what the kernel keeps for sockets and threads."
    )
    alt = "user-space memory of a waiting request, KiB: " + bars.said(drawn)
    spec = bars.chart(part, drawn, Axis("user-space memory per waiting request, KiB", log))
    name = f"{part.prefix}request-memory"
    return Chart(name, "User-space memory of a waiting request", caption, alt, spec)


def of_a_request(part: Part) -> list[Bar]:
    """The memory of a waiting request in KiB for each service, the least first."""
    return [_bar(part, name) for name in _ranked(part)]


def _bar(part: Part, name: str) -> Bar:
    found = memory(part, name)
    if found is None:
        state = part.state(name)
        return Bar(name, None, state if state in ("failed", "invalid") else "not measured")
    return Bar(name, scaled(found.spread, 1 / KIB), "" if found.valid else "invalid")


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
            "in user space",
            "PSS of the process tree: a page that several processes share is counted once.",
        ),
        (
            "in the kernel",
            "The same slope of the whole machine's slabs, kernel stacks and TCP buffers. It has "
            "both ends of both connections of a request: half of the sockets are the load's.",
        ),
    ),
)
