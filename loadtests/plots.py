"""How a chart is drawn: lines over users, a panel a service, or bars for one user level.

Matplotlib's object-oriented interface only, so that nothing global is left
behind; SVG with its text as text, the same to the byte for the same data.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from loadtests import facts
from loadtests.record import Spread
from loadtests.series import Series
from loadtests.style import FONTS, GRID, INK, PAPER, STYLE, WIDTH, Look, looks


def svg(series: Series, salt: str) -> str:
    """Draw the series; `salt` keeps the ids of different charts in one page apart."""
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": salt}):
        if len(series.users) == 1:
            figure = _bars(series)
        elif series.measure.panels:
            figure = _panels(series)
        else:
            figure = _lines(series)
        file = io.StringIO()
        figure.savefig(
            file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    text = re.sub(r"font-family: [^;\"]*", FONTS, file.getvalue())
    return re.sub(r" +$", "", text, flags=re.MULTILINE)


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
    axes.set_xscale("log")
    _user_ticks(axes.xaxis, [float(users) for users in series.users], series.users)
    axes.set_xlabel("users")
    axes.set_ylabel(series.measure.axis)
    _scale(axes, series)
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)
    return figure


def _line(axes: Axes, series: Series, name: str, look: Look) -> Line2D:
    """One service: a line through its medians, with whiskers; returns what the legend shows."""
    drawn = series.drawn(name)
    place = {users: float(users) for users in drawn}
    _course(axes, drawn, place, color=look.colour, linestyle=look.line, linewidth=1.4)
    _whiskers(axes, series, name, look, place)
    face = look.colour if series.trusted(name) else PAPER
    return Line2D(
        [], [], color=look.colour, linestyle=look.line if drawn else "none", linewidth=1.4,
        marker=look.marker, markersize=4.5, markerfacecolor=face, label=series.label(name),
    )  # fmt: skip


def _whiskers(axes: Axes, series: Series, name: str, look: Look, places: dict[int, float]) -> None:
    """A marker at each median and a whisker from the lowest round to the highest."""
    drawn = series.drawn(name)
    for face, valid in ((look.colour, True), (PAPER, False)):
        shown = {n: s for n, s in drawn.items() if (series.state(name, n) == "") == valid}
        if not shown:
            continue
        spreads = shown.values()
        axes.errorbar(
            [places[users] for users in shown], [s.median for s in spreads],
            yerr=[[s.median - s.min for s in spreads], [s.max - s.median for s in spreads]],
            color=look.colour, marker=look.marker, markersize=4.5, capsize=2, elinewidth=0.9,
            markerfacecolor=face, linestyle="none", zorder=3,
        )  # fmt: skip
    for users, spread in drawn.items():
        if note := series.note(name, users):
            at = (places[users], spread.median)
            axes.annotate(note, at, (4, 3), textcoords="offset points", fontsize=8)


def _limit(axes: Axes, series: Series) -> list[Line2D]:
    """The arithmetic bound of this measure, dashed, where it has one."""
    if not series.delay_s or not series.measure.limit:
        return []
    values = [series.measure.limit(users, series.delay_s) for users in series.users]
    (line,) = axes.plot(
        series.users, values, color=INK, linestyle=(0, (4, 3)), linewidth=0.9, zorder=1,
        label=series.measure.limit_label,
    )  # fmt: skip
    return [line]


def _scale(axes: Axes, series: Series) -> None:
    """Logarithmic where the measure asks for it or spans more than a line can show, else from 0."""
    spreads = [s for name in series.services for s in series.drawn(name).values()]
    low = min((spread.min for spread in spreads), default=0)
    wide = low > 0 and max(spread.max for spread in spreads) > 30 * low
    if series.measure.log or wide:
        axes.set_yscale("log")
        bottom, top = axes.get_ylim()
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if top / bottom < 2000 else (1,)))
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(bottom=0)
    axes.yaxis.set_major_formatter(FuncFormatter(_plain))


def _plain(value: float, _position: int | None = None) -> str:
    return f"{value:,.10g}"


def _short(users: int) -> str:
    return f"{users // 1000}k" if users and users % 1000 == 0 else f"{users:,}"


def _user_ticks(axis: Axis, places: list[float], users: list[int]) -> None:
    names = dict(zip(places, (_short(n) for n in users), strict=True))
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: names.get(value, "")))


def _panels(series: Series) -> Figure:
    """A small chart for each service, so that many lines near the top do not hide each other."""
    count = len(series.services)
    columns = count if count < 5 else min((5, 4), key=lambda n: (-count % n, -n))
    rows = math.ceil(count / columns)
    figure = Figure(
        figsize=(WIDTH, 0.3 + (1.5 if columns > 2 else 2.4) * rows), layout="constrained"
    )
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    places = [float(place) for place in range(len(series.users))]
    look = looks(series.services)
    for axes, name in zip(grid.flat, series.services, strict=False):
        _panel(axes, series, name, look[name], places)
    for axes in list(grid.flat)[count:]:
        axes.set_visible(False)
    # A panel above an empty place shows the ticks that nobody below it does.
    for axes in list(grid.flat)[max(0, count - columns) : count]:
        axes.tick_params(labelbottom=True)
    figure.supxlabel("users", fontsize=8.5)
    figure.supylabel(series.measure.axis, fontsize=8.5)
    return figure


def _panel(axes: Axes, series: Series, name: str, look: Look, places: list[float]) -> None:
    place = dict(zip(series.users, places, strict=True))
    for other in series.services:
        _course(axes, series.drawn(other), place, color=GRID, linewidth=0.8)
    axes.axhline(100, color=INK, linestyle=(0, (4, 3)), linewidth=0.8, zorder=1)
    drawn = series.drawn(name)
    _course(axes, drawn, place, color=look.colour, linewidth=1.4)
    _whiskers(axes, series, name, look, place)
    if drawn:
        users, last = list(drawn.items())[-1]
        above = last.median < 20
        axes.annotate(
            f"{facts.number(last.median)} %", (place[users], last.median), (2, 9 if above else -9),
            textcoords="offset points", ha="right", va="bottom" if above else "top",
        )  # fmt: skip
    axes.set_title("\n".join(textwrap.wrap(series.label(name), 17)), fontsize=8)
    highest = max(
        (s.max for other in series.services for s in series.drawn(other).values()), default=0
    )
    axes.set_ylim(0, max(115, 1.05 * highest))
    axes.set_xlim(places[0] - 0.4, places[-1] + 0.4)
    _user_ticks(axes.xaxis, places, series.users)
    axes.tick_params(labelsize=7)
    if ceiling := series.own_ceiling(name):
        text = f"ceiling {facts.number(ceiling)}/s"
        axes.text(0.06, 0.06, text, transform=axes.transAxes, fontsize=7)


def _course(axes: Axes, drawn: dict[int, Spread], place: dict[int, float], **look: Any) -> None:
    axes.plot([place[users] for users in drawn], [s.median for s in drawn.values()], **look)


def _bars(series: Series) -> Figure:
    """A bar for each service with its value beside it, where there is one user level."""
    (users,) = series.users
    figure = Figure(figsize=(WIDTH, 0.7 + 0.28 * len(series.services)), layout="constrained")
    axes = figure.subplots()
    look = looks(series.services)
    for place, name in enumerate(series.services):
        _bar(axes, series, name, look[name], place)
    _limit_across(axes, series, users)
    axes.set_yticks(range(len(series.services)), series.services)
    axes.invert_yaxis()
    axes.grid(visible=False, axis="y")
    axes.margins(x=0.2)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.set_xlabel(f"{series.measure.axis}, at {facts.workload(users, series.delay_s)}")
    return figure


def _bar(axes: Axes, series: Series, name: str, look: Look, place: int) -> None:
    users = series.users[0]
    spread, state = series.at(name, users), series.state(name, users)
    if spread is None:
        axes.annotate(f"{state}", (0, place), (4, 0), textcoords="offset points", va="center")
        return
    axes.barh(
        place, spread.median, height=0.62, edgecolor=look.colour,
        facecolor=PAPER if state else look.colour, linewidth=1.2,
    )  # fmt: skip
    if spread.min < spread.max:
        ends = [[spread.median - spread.min], [spread.max - spread.median]]
        axes.errorbar([spread.median], [place], xerr=ends, color=INK, capsize=2.5, elinewidth=0.9)
    text = facts.number(spread.median) + series.note(name, users) + (f" ({state})" if state else "")
    behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.5}  # hides a limit drawn through it
    axes.annotate(
        text, (spread.max, place), (5, 0), textcoords="offset points", va="center", bbox=behind
    )


def _limit_across(axes: Axes, series: Series, users: int) -> None:
    if series.delay_s and series.measure.limit:
        value = series.measure.limit(users, series.delay_s)
        axes.axvline(value, color=INK, linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)
