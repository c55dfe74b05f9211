"""The one chart of a whole run: what a core does, and what a request that waits costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import inf

from loadtests.record import Run
from loadtests.report.charts import bars, theme
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import Chart
from loadtests.report.results.parts import Part
from loadtests.workloads.capacity import section as capacity
from loadtests.workloads.held import section as held

NAME = "overview"
CAPTION = (
    "Left the highest rate that one core sustains, right the memory in user space that each "
    "waiting request takes, a row a service. Whiskers reach from the lowest round to the "
    "highest. An arrow leads further than there is room for, or means at least so much: something "
    "else came to its limit first."
)
ROOM = 1.3  # times the highest round of what people run: so far the rates are drawn


def chart(run: Run, parts: Sequence[Part]) -> Chart | None:
    """Capacity and memory side by side by what waits; None where not both were measured."""
    first = {part.kind: part for part in reversed(parts) if part.run.summary}
    if not {"capacity", "held"} <= first.keys():
        return None
    rates = capacity.capacities(first["capacity"])
    memory = held.of_a_request(first["held"])
    names = _grouped(run, [*rates, *memory])
    rate = "capacity of a core, requests/s" if run.pinned else "capacity, requests/s"
    sides = (
        (Axis(rate, perfect=capacity.perfect(first["capacity"]), most=_most(run, rates)), rates),
        (Axis("memory of a waiting request, KiB"), memory),
    )
    spec = bars.beside_each_other(run, names, sides)
    alt = "; ".join(f"{axis.title}: {_said(names, drawn)}" for axis, drawn in sides)
    return Chart(NAME, "What a core does, and what waiting costs", CAPTION, alt, spec)


def _most(run: Run, rates: Iterable[Bar]) -> float:
    """Beyond it is only what nobody runs: ten times as much would leave the others no room."""
    stock = [
        bar.spread.max for bar in rates if bar.spread and theme.look(run, bar.name).kind == "stock"
    ]
    return ROOM * max(stock, default=inf)


def _grouped(run: Run, found: Iterable[Bar]) -> dict[str, list[str]]:
    """The services by model in the order in which they are found, but first what people run."""
    looks = {bar.name: theme.look(run, bar.name) for bar in found}
    groups: dict[str, list[str]] = {}
    for name in sorted(looks, key=lambda name: looks[name].kind != "stock"):
        groups.setdefault(theme.PLURALS[looks[name].model], []).append(name)
    return groups


def _said(names: dict[str, list[str]], drawn: Sequence[Bar]) -> str:
    known = {bar.name: bar for bar in drawn}
    groups = {
        title.lower(): [known[name] for name in services if name in known]
        for title, services in names.items()
    }
    return "; ".join(f"{title}: {bars.said(found)}" for title, found in groups.items() if found)
