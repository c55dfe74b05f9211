"""Response times over percentiles, a panel a service and a line for each workload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from loadtests.report import canvas
from loadtests.report.style import COLOURS, LINES, PAPER

# As many in each tenth that is left: 0 to 90, 90 to 99, 99 to 99.9 and 99.9 to 99.99.
PERCENTILES = [100 * (1 - 10 ** (-place / 20)) for place in range(81)]


@dataclass(frozen=True)
class Curve:
    """Response times in ms, one for each of PERCENTILES."""

    times_ms: list[float]
    valid: bool


def percentiles(given: Mapping[str, Mapping[str, Curve]], names: tuple[str, ...]) -> Figure:
    """A panel for each service; in it, by the `names` of workloads, lines of their own looks."""
    figure, grid = canvas.panels(len(given))
    for axes, (service, curves) in zip(grid, given.items(), strict=True):
        bad = "" if all(curve.valid for curve in curves.values()) else " (invalid)"
        canvas.panel_title(axes, service + (bad if curves else " (failed)"))
        for name, curve in curves.items():
            _draw(axes, curve, names.index(name))
    _scales(grid[0])
    figure.supxlabel("percentile", fontsize=8.5)
    figure.supylabel("response time, ms", fontsize=8.5)
    handles = [
        Line2D([], [], color=COLOURS[n], linestyle=LINES[n], linewidth=1.4, label=name)
        for n, name in enumerate(names)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=len(names))
    return figure


def _draw(axes: Axes, curve: Curve, look: int) -> None:
    """A line of what counts; of what does not only hollow points."""
    left = [100 - percentile for percentile in PERCENTILES]
    if curve.valid:
        axes.plot(left, curve.times_ms, color=COLOURS[look], linestyle=LINES[look], linewidth=1.4)
        return
    axes.plot(
        left[::5], curve.times_ms[::5], color=COLOURS[look], marker="o", markersize=3,
        markerfacecolor=PAPER, linestyle="none",
    )  # fmt: skip


def _scales(axes: Axes) -> None:
    """Across what is left to 100 %, each tenth as wide as the one before."""
    axes.set(xscale="log", yscale="log")
    axes.set_xlim(100, 0.01)
    axes.xaxis.set_major_locator(FixedLocator([10.0, 1.0, 0.1]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda left, _: f"{100 - left:g}"))
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(canvas.plain))
