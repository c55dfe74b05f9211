"""What all charts share: how one becomes SVG, its axes, its markers and its bars.

Matplotlib's object-oriented interface only, so that nothing global is left
behind; SVG with its text as text, the same to the byte for the same data.
"""

from __future__ import annotations

import io
import math
import re
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import matplotlib
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullLocator

from loadtests.record import Spread
from loadtests.report.style import FONTS, INK, PAPER, STYLE, WIDTH


@dataclass(frozen=True)
class Chart:
    """A drawn picture; `alt` says in words what is to be seen."""

    name: str
    title: str
    caption: str
    alt: str
    svg: str


def svg(draw: Callable[[], Figure], salt: str) -> str:
    """The text of a drawing; `salt` keeps the ids of different charts in one page apart."""
    with matplotlib.rc_context(STYLE | {"svg.hashsalt": salt}):
        file = io.StringIO()
        draw().savefig(
            file, format="svg", metadata=dict.fromkeys(("Date", "Creator", "Format", "Type"))
        )
    text = re.sub(r"font-family: [^;\"]*", FONTS, file.getvalue())
    text = re.sub(r"\n *<!--.*?-->", "", text, flags=re.DOTALL)
    text = re.sub(r'(?<= )(?:d|x|y|transform)="[^"]*"', _rounded, text)
    return re.sub(r"^ +| +$", "", text, flags=re.MULTILINE)


def _rounded(attribute: re.Match[str]) -> str:
    """Places to a hundredth of a point: a page holds many."""
    return re.sub(r"(\.\d\d)\d+", r"\1", attribute[0])


def scale(axes: Axes, upright: bool, spreads: Iterable[Spread], log: bool) -> None:
    """Logarithmic if asked for, or if the values span more than a line can show; else from 0."""
    found = list(spreads)
    axis, name = (axes.yaxis, "y") if upright else (axes.xaxis, "x")
    low = min((spread.min for spread in found), default=0)
    wide = low > 0 and max(spread.max for spread in found) > 30 * low
    if (log and found) or wide:
        axes.set(**{f"{name}scale": "log"})
        bottom, top = axis.get_view_interval()
        axis.set_major_locator(LogLocator(subs=(1, 2, 5) if top / bottom < 2000 else (1,)))
        axis.set_minor_locator(NullLocator())
    else:
        axes.set(**{f"{name}lim": (0, None)})
    axis.set_major_formatter(FuncFormatter(plain))


def plain(value: float, _position: int | None = None) -> str:
    """A number on an axis."""
    return f"{value:,.10g}"


def ticks(axis: Axis, places: list[float], levels: list[int], most: int = 25) -> None:
    """A tick at each place, named by the level that was measured there, if there is room.

    There is for `most` names on a line.
    """
    near = (max(places) - min(places)) / most if axis.get_scale() == "linear" else 0.0
    names: dict[float, str] = {}
    for place, level in zip(places, levels, strict=True):
        if not names or place - max(names) > near:
            names[place] = _short(level)
    axis.set_major_locator(FixedLocator(places))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda value, _: names.get(value, "")))


def _short(level: int) -> str:
    return f"{level // 1000}k" if level and level % 1000 == 0 else f"{level:,}"


def panels(count: int, columns: int = 0, tall: float = 1.5) -> tuple[Figure, list[Axes]]:
    """A small chart for each of `count` services, all of the same axes; inches a row of them."""
    columns = columns or (count if count < 5 else min((5, 4), key=lambda n: (-count % n, -n)))
    rows = math.ceil(count / columns)
    height = 0.3 + (tall if columns > 2 else 1.6 * tall) * rows
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    places = list(grid.flat)
    for axes in places[count:]:
        axes.set_visible(False)
    # A panel above an empty place shows the ticks that nobody below it does.
    for axes in places[max(0, count - columns) : count]:
        axes.tick_params(labelbottom=True)
    return figure, places[:count]


def panel_title(axes: Axes, name: str) -> None:
    """The service of a panel above it, in as many lines as it takes."""
    axes.set_title("\n".join(textwrap.wrap(name, 17)), fontsize=8)
    axes.tick_params(labelsize=7, length=0)


def dashed(axes: Axes, value: float, upright: bool) -> None:
    """A bound across the whole chart."""
    draw = axes.axvline if upright else axes.axhline
    draw(value, color=INK, linestyle=(0, (4, 3)), linewidth=0.9, zorder=1)


def beside(axes: Axes, text: str, at: tuple[float, float], away: float = 5) -> None:
    """A word to the right of a value, on paper of its own, which hides a bound drawn through it."""
    behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.5}
    axes.annotate(text, at, (away, 0), textcoords="offset points", va="center", bbox=behind)
