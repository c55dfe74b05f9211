"""Charts over a level of load: a line a service, or a panel a service where there are many."""

from __future__ import annotations

import math
from itertools import chain
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from loadtests.record import Spread
from loadtests.report import canvas, facts, rows
from loadtests.report.canvas import Chart
from loadtests.report.series import Series
from loadtests.report.style import GRID, INK, PAPER, WIDTH, Look, looks

# More lines than that cannot be told from each other.
MOST_LINES = 7


def chart(series: Series, name: str, title: str) -> Chart:
    """Draw the series: bars for one level, panels or lines for several."""
    if len(series.levels) == 1:
        draw = _bars
    elif series.measure.panels or len(series.services) > MOST_LINES:
        draw = _panels
    else:
        draw = _lines
    caption = series.measure.caption
    if draw is _panels:
        at = series.load(series.levels[-1])
        caption += f" The number in a panel is its own at {at}; the others are drawn in grey."
    svg = canvas.svg(lambda: draw(series), name)
    return Chart(name, title, caption, _alt(series), svg)


def _alt(series: Series) -> str:
    level = series.levels[-1]
    values = ", ".join(_said(series, name, level) for name in series.services)
    return f"{series.measure.axis} at {series.load(level)}: {values}"


def _said(series: Series, name: str, level: int) -> str:
    spread, state = series.at(name, level), series.state(name, level)
    if spread is None:
        return f"{name} {state or 'unknown'}"
    return f"{name} {facts.number(spread.median)}" + (f" ({state})" if state else "")


def _spreads(series: Series) -> list[Spread]:
    fields = [""] + ([series.measure.also] if series.measure.also else [])
    found = (series.drawn(name, field).values() for name in series.services for field in fields)
    return list(chain.from_iterable(found))


def _lines(series: Series) -> Figure:
    columns = 3 if max(map(len, series.services)) < 24 else 2
    legend_rows = math.ceil((len(series.services) + 1) / columns)
    figure = Figure(figsize=(WIDTH, 3.5 + 0.19 * legend_rows), layout="constrained")
    axes = figure.subplots()
    handles = []
    look = looks(series.services)
    for name in series.services:
        handles.append(_line(axes, series, name, look[name]))
    handles += _limit(axes, series)
    if series.over == "users":
        axes.set_xscale("log")
    canvas.ticks(axes.xaxis, [float(level) for level in series.levels], series.levels)
    axes.set_xlabel(series.over)
    axes.set_ylabel(series.measure.axis)
    canvas.scale(axes, True, _spreads(series), series.measure.log)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def _line(axes: Axes, series: Series, name: str, look: Look) -> Line2D:
    """One service: a line through its medians, with whiskers; returns what the legend shows."""
    drawn = series.drawn(name)
    place = {level: float(level) for level in drawn}
    _course(axes, drawn, place, color=look.colour, linestyle=look.line, linewidth=1.4)
    _whiskers(axes, series, name, look, place)
    face = look.colour if series.trusted(name) else PAPER
    return Line2D(
        [], [], color=look.colour, linestyle=look.line if drawn else "none", linewidth=1.4,
        marker=look.marker, markersize=4.5, markerfacecolor=face, label=series.label(name),
    )  # fmt: skip


def _whiskers(
    axes: Axes, series: Series, name: str, look: Look, places: dict[int, float], size: float = 4.5
) -> None:
    """A marker at each median and a whisker from the lowest round to the highest."""
    drawn = series.drawn(name)
    for face, valid in ((look.colour, True), (PAPER, False)):
        shown = {n: s for n, s in drawn.items() if (series.state(name, n) == "") == valid}
        if not shown:
            continue
        spreads = shown.values()
        axes.errorbar(
            [places[level] for level in shown], [s.median for s in spreads],
            yerr=[[s.median - s.min for s in spreads], [s.max - s.median for s in spreads]],
            color=look.colour, marker=look.marker, markersize=size, capsize=2, elinewidth=0.9,
            markerfacecolor=face, linestyle="none", zorder=3,
        )  # fmt: skip
    for level, spread in drawn.items():
        if note := series.note(name, level):
            at = (places[level], spread.median)
            axes.annotate(note, at, (4, 3), textcoords="offset points", fontsize=8)


def _limit(axes: Axes, series: Series) -> list[Line2D]:
    """The arithmetic bound of this measure, dashed, where it has one."""
    places = {level: float(level) for level in series.levels}
    line = _bound(axes, series, places, label=series.measure.limit_label)
    return [line] if line else []


def _bound(axes: Axes, series: Series, places: dict[int, float], **look: Any) -> Line2D | None:
    if not series.delay_s or not series.measure.limit:
        return None
    values = [series.measure.limit(level, series.delay_s) for level in series.levels]
    (line,) = axes.plot(
        [places[level] for level in series.levels], values, color=INK,
        linestyle=(0, (4, 3)), linewidth=0.9, zorder=1, **look,
    )  # fmt: skip
    return line


def _panels(series: Series) -> Figure:
    """A small chart for each service, so that many lines do not hide each other."""
    figure, grid = canvas.panels(len(series.services))
    at = series.levels if series.measure.proportional else range(len(series.levels))
    places = dict(zip(series.levels, map(float, at), strict=True))
    look = looks(series.services)
    for axes, name in zip(grid, series.services, strict=True):
        _panel(axes, series, name, look[name], places)
    first = grid[0]
    canvas.scale(first, True, _spreads(series), series.measure.log)
    if series.measure.scale == 100:  # a share: the whole is always in the picture
        first.set_ylim(0, max(115, 1.05 * max((s.max for s in _spreads(series)), default=0)))
    canvas.ticks(first.xaxis, list(places.values()), series.levels, most=8)
    beside = 0.4 if not series.measure.proportional else 0.08 * series.levels[-1]
    first.set_xlim(min(places.values()) - beside, max(places.values()) + beside)
    for axes, name in zip(grid, series.services, strict=True):
        _last_value(axes, series, name, places)
    figure.supxlabel(series.over, fontsize=8.5)
    figure.supylabel(series.measure.axis, fontsize=8.5)
    if series.measure.lines:
        handles = [
            Line2D([], [], color=INK, linestyle="-" if first else ":", linewidth=1.4, label=name)
            for name, first in zip(series.measure.lines, (True, False), strict=True)
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=2)
    return figure


def _panel(axes: Axes, series: Series, name: str, look: Look, places: dict[int, float]) -> None:
    _others(axes, series, places)
    _bound(axes, series, places)
    drawn = series.drawn(name)
    _course(axes, drawn, places, color=look.colour, linewidth=1.4)
    if series.measure.also:
        also = series.drawn(name, series.measure.also)
        _course(axes, also, places, color=look.colour, linestyle=":", linewidth=1.4)
    _whiskers(axes, series, name, look, places, size=3.5)
    canvas.panel_title(axes, series.label(name))
    axes.grid(visible=False, axis="x")
    if series.measure.field == "efficiency" and (ceiling := series.own_ceiling(name)):
        text = f"ceiling {facts.number(ceiling)}/s"
        axes.text(0.06, 0.06, text, transform=axes.transAxes, fontsize=7)


def _last_value(axes: Axes, series: Series, name: str, places: dict[int, float]) -> None:
    """The value at the highest level, in that corner from which the line is furthest."""
    drawn = series.drawn(name)
    if not drawn:
        return
    last = list(drawn.values())[-1]
    inside = axes.transData + axes.transAxes.inverted()
    points = inside.transform([(places[level], spread.median) for level, spread in drawn.items()])
    corners = ((0.98, 0.05), (0.98, 0.95), (0.03, 0.95))
    x, y = max(corners, key=lambda corner: min(math.dist(corner, point) for point in points))
    axes.text(
        x, y, f"{facts.number(last.median)}{series.measure.unit}", transform=axes.transAxes,
        ha="right" if x > 0.5 else "left", va="top" if y > 0.5 else "bottom", fontsize=8,
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.5},
    )  # fmt: skip


def _others(axes: Axes, series: Series, places: dict[int, float]) -> None:
    """All services in grey, as one line with gaps: a page has many panels."""
    across: list[float] = []
    up: list[float] = []
    for name in series.services:
        drawn = series.drawn(name)
        across += [*(places[level] for level in drawn), math.nan]
        up += [*(spread.median for spread in drawn.values()), math.nan]
    axes.plot(across, up, color=GRID, linewidth=0.8)


def _course(axes: Axes, drawn: dict[int, Spread], place: dict[int, float], **look: Any) -> None:
    axes.plot([place[level] for level in drawn], [s.median for s in drawn.values()], **look)


def _bars(series: Series) -> Figure:
    """A bar for each service with its value beside it, where there is one level."""
    (level,) = series.levels
    bars = [
        rows.Bar(name, series.at(name, level), series.state(name, level), series.note(name, level))
        for name in series.services
    ]
    limit = series.measure.limit if series.delay_s else None
    axis = f"{series.measure.axis}, at {series.load(level)}"
    return rows.bars(bars, axis, limit(level, series.delay_s) if limit else None)
