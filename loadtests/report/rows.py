"""Charts with a row for each service: bars, and dots joined by a line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import floor, log10

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from loadtests.record import Spread, Summary
from loadtests.report import canvas, facts
from loadtests.report.style import COLOURS, GRID, INK, PAPER, WIDTH, looks

ENDS = ("o", "D")
UNABLE = "— cannot"


@dataclass(frozen=True)
class Bar:
    """A service's value; `state` as in facts, `note` behind the number.

    Bars of the same `group` have the same colour, and a legend says which. A `mark`
    is a tick in the same row, at a value of its own.
    """

    name: str
    spread: Spread | None
    state: str = ""
    note: str = ""
    group: str = ""
    mark: float | None = None


@dataclass(frozen=True)
class Dots:
    """The two values of a service that are joined, each with its state as in facts."""

    name: str
    spreads: tuple[Spread | None, Spread | None]
    states: tuple[str, str]


def dots(name: str, first: Summary | None, second: Summary | None, fields: tuple[str, str]) -> Dots:
    """Two figures of a service, each from a summary."""
    given = list(zip((first, second), fields, strict=True))
    one, two = (getattr(row, field) if row else None for row, field in given)
    states = [facts.state(row) if row else "not measured" for row, _ in given]
    return Dots(name, (one, two), (states[0], states[1]))


def unable(cannot: Iterable[str]) -> list[Dots]:
    """Rows for services that cannot do it."""
    return [Dots(name, (None, None), (UNABLE, UNABLE)) for name in cannot]


def said(given: Iterable[Dots]) -> str:
    """What is drawn, in words."""
    return ", ".join(f"{row.name} {' to '.join(_words(row))}" for row in given)


def _words(row: Dots) -> list[str]:
    words = [
        (facts.number(spread.median) if spread else "")
        + (f" ({state})" if spread and state else state)
        for spread, state in zip(row.spreads, row.states, strict=True)
    ]
    return list(dict.fromkeys(words))


def said_bars(given: Iterable[Bar]) -> str:
    """What is drawn, in words."""
    return ", ".join(f"{bar.name} {_shown(bar)}" for bar in given)


def _shown(bar: Bar) -> str:
    if bar.spread is None:
        return bar.state
    state = f" ({bar.state})" if bar.state else ""
    return f"{facts.number(bar.spread.median)}{bar.note}{state}"


def bars(bars: list[Bar], axis: str, limit: float | None = None, log: bool = False) -> Figure:
    """A bar for each service with its value beside it."""
    groups = list(dict.fromkeys(bar.group for bar in bars if bar.group))
    height = 0.7 + 0.28 * len(bars) + (0.25 if groups else 0)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    look = looks([bar.name for bar in bars])
    colours = {bar.name: look[bar.name].colour for bar in bars}
    colours |= {bar.name: COLOURS[groups.index(bar.group)] for bar in bars if bar.group}
    for place, bar in enumerate(bars):
        _bar(axes, bar, place, colours[bar.name])
    if limit is not None:
        canvas.dashed(axes, limit, upright=True)
    _names(axes, [bar.name for bar in bars])
    axes.margins(x=0.2 if all(bar.mark is None for bar in bars) else 0.45)
    ends = [bar.spread.min for bar in bars if bar.spread]
    if log:
        axes.set_xscale("log")
        axes.set_xlim(left=10 ** floor(log10(min(ends))))
    else:
        axes.set_xlim(left=min([0.0, *ends]))
    axes.xaxis.set_major_formatter(FuncFormatter(canvas.plain))
    axes.set_xlabel(axis)
    handles = [
        Line2D([], [], color=COLOURS[place], linewidth=6, label=name)
        for place, name in enumerate(groups)
    ]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=4)
    return figure


def _bar(axes: Axes, bar: Bar, place: int, colour: str) -> None:
    spread = bar.spread
    if spread is None:
        at_the_axis = axes.get_yaxis_transform()
        axes.annotate(
            bar.state, (0, place), (4, 0), xycoords=at_the_axis,
            textcoords="offset points", va="center",
        )  # fmt: skip
        return
    axes.barh(
        place, spread.median, height=0.62, edgecolor=colour,
        facecolor=PAPER if bar.state else colour, linewidth=1.2,
    )  # fmt: skip
    if spread.min < spread.max:
        ends = [[spread.median - spread.min], [spread.max - spread.median]]
        axes.errorbar([spread.median], [place], xerr=ends, color=INK, capsize=2.5, elinewidth=0.9)
    if bar.mark is not None:
        axes.plot([bar.mark] * 2, [place - 0.31, place + 0.31], color=INK, linewidth=1.4)
    canvas.beside(axes, _shown(bar), (max(spread.max, bar.mark or 0.0), place))


def dumbbells(
    panels: dict[str, list[Dots]],
    ends: tuple[str, str],
    axis: str,
    limit: float | None = None,
    log: bool = False,
) -> Figure:
    """Panels side by side with the same services; in each row the two `ends`, joined."""
    names = [dots.name for dots in next(iter(panels.values()))]
    figure = Figure(figsize=(WIDTH, 0.95 + 0.26 * len(names)), layout="constrained")
    grid = figure.subplots(1, len(panels), sharey=True, sharex=True, squeeze=False)
    look = looks(names)
    for axes, (title, row) in zip(grid.flat, panels.items(), strict=True):
        for place, dots in enumerate(row):
            _joined(axes, dots, place, look[dots.name].colour)
        if limit is not None:
            canvas.dashed(axes, limit, upright=True)
        axes.set_xlabel(axis)
        if len(panels) > 1:
            axes.set_title(title, fontsize=8.5)
    spreads = [
        s for row in panels.values() for dots in row for s in dots.spreads if s and s.median > 0
    ]
    first = grid.flat[0]
    _names(first, names)
    canvas.scale(first, False, spreads, log)
    left, right = first.get_xlim()
    first.set_xlim(left, right * 1.6 if first.get_xscale() == "log" else right * 1.15)
    figure.legend(handles=_ends(ends), loc="outside lower center", ncols=2)
    return figure


def _joined(axes: Axes, dots: Dots, place: int, colour: str) -> None:
    ends = [
        (marker, spread, state)
        for marker, spread, state in zip(ENDS, dots.spreads, dots.states, strict=True)
        if spread and spread.median > 0
    ]
    axes.plot(
        [spread.median for _, spread, _ in ends], [place] * len(ends), color=GRID, linewidth=3,
        zorder=1,
    )  # fmt: skip
    for marker, spread, state in ends:
        axes.errorbar(
            [spread.median], [place],
            xerr=[[spread.median - spread.min], [spread.max - spread.median]],
            color=colour, marker=marker, markersize=4.5, capsize=2, elinewidth=0.9,
            markerfacecolor=PAPER if state else colour, linestyle="none", zorder=3,
        )  # fmt: skip
    states = ", ".join(dict.fromkeys(state for state in dots.states if state))
    shown = facts.number(dots.spreads[-1].median) if dots.spreads[-1] else ""
    words = f"{shown} ({states})" if shown and states else shown or states
    if ends:
        canvas.beside(axes, words, (max(spread.max for _, spread, _ in ends), place))
    else:
        at = axes.get_yaxis_transform()
        axes.annotate(words, (0.02, place), xycoords=at, va="center")


def _ends(ends: tuple[str, str]) -> list[Line2D]:
    return [
        Line2D([], [], linestyle="none", color=INK, marker=marker, markersize=4.5, label=name)
        for marker, name in zip(ENDS, ends, strict=True)
    ]


def _names(axes: Axes, names: list[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
