"""Charts of services in families: a group of rows for each, or a panel."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator

from loadtests.record import Spread
from loadtests.report import canvas, facts
from loadtests.report.style import INK, PAPER, WIDTH, Look, looks

ROW = 0.17  # inches
BARE = "bare"
NONE = "x"  # the marker of a value that is zero


@dataclass(frozen=True)
class Value:
    """What was measured of a client at a number of users; `state` as in facts."""

    rps: Spread | None
    share: Spread | None
    cpu: Spread | None
    state: str


@dataclass(frozen=True)
class Line:
    """A service, by the name of its client where that tells it, with its values by users."""

    name: str
    client: str
    values: dict[int, Value]


@dataclass(frozen=True)
class Family:
    """Services that differ in nothing but their client."""

    title: str
    lines: list[Line]


def _looks(families: list[Family]) -> dict[str, Look]:
    """A look for each client, the same in every family; what has no client is in black."""
    names = {line.client for family in families for line in family.lines}
    bare = {BARE: Look(INK, "d", "--")} if BARE in names else {}
    return looks(sorted(names - {BARE})) | bare


def rows(families: list[Family], few: int, most: int, axes: tuple[str, str]) -> Figure:
    """Two columns of dots, requests/s at `most` users and CPU at `few`, a row a client."""
    lines = [line for family in families for line in family.lines]
    height = 0.6 + ROW * (len(lines) + 1.4 * len(families))
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    look = _looks(families)
    place, heads, names = 0.0, {}, {}
    for family in families:
        heads[place] = family.title
        for line in family.lines:
            place += 1
            names[place] = line.name
            high, low = line.values.get(most), line.values.get(few)
            _dot(left, place, high.rps if high else None, high, look[line.client])
            _dot(right, place, low.cpu if low else None, low, look[line.client])
        place += 1.4
    for each, title in ((left, axes[0]), (right, axes[1])):
        each.set_xlabel(title)
        each.grid(visible=False, axis="y")
    left.set_yticks([*heads, *names], [*heads.values(), *names.values()])
    for label, at in zip(left.get_yticklabels(), [*heads, *names], strict=True):
        label.set_fontweight("bold" if at in heads else "normal")
    for each in (left, right):
        each.tick_params(axis="y", length=0)
    left.set_ylim(place - 0.7, -0.8)
    found = [line.values.get(most) for line in lines], [line.values.get(few) for line in lines]
    _log(left, [value.rps for value in found[0] if value and value.rps])
    _log(right, [value.cpu for value in found[1] if value and value.cpu])
    return figure


def _log(axes: Axes, spreads: list[Spread]) -> None:
    """A logarithmic axis around the values, with room for the numbers behind them."""
    ends = [end for spread in spreads for end in (spread.min, spread.max) if end > 0]
    canvas.scale(axes, False, [spread for spread in spreads if spread.min > 0], log=True)
    if ends:
        axes.set_xlim(min(ends) / 1.4, max(ends) * 2.6)
        few = max(ends) > 50 * min(ends)  # there is no room for many numbers below half a chart
        axes.xaxis.set_major_locator(LogLocator(subs=(1,) if few else (1, 2, 5)))


def _dot(axes: Axes, place: float, spread: Spread | None, value: Value | None, look: Look) -> None:
    at_the_edge = axes.get_yaxis_transform()
    if spread is None or spread.median <= 0:
        shown = "0" if spread else (value.state if value and value.state else "not measured")
        if value and spread is None and value.rps and value.rps.max == 0:
            shown = facts.NOTHING
        if spread:
            axes.plot(
                [0.03], [place], NONE, color=look.colour, transform=at_the_edge, clip_on=False
            )
        axes.annotate(
            shown, (0.03, place), (6, 0), xycoords=at_the_edge, textcoords="offset points",
            va="center", fontsize=7.5,
        )  # fmt: skip
        return
    state = value.state if value else ""
    axes.errorbar(
        [spread.median], [place],
        xerr=[[spread.median - spread.min], [spread.max - spread.median]],
        color=look.colour, marker=look.marker, markersize=4.5, capsize=2, elinewidth=0.9,
        markerfacecolor=PAPER if state else look.colour, linestyle="none", zorder=3,
    )  # fmt: skip
    words = facts.number(spread.median) + (f" ({state})" if state else "")
    behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.5}
    axes.annotate(
        words, (spread.max, place), (5, 0), textcoords="offset points", va="center",
        fontsize=7.5, bbox=behind,
    )  # fmt: skip


def panels(families: list[Family], levels: list[int]) -> Figure:
    """A panel for each family, and in it the share of the limit over users, a line a client."""
    figure, grid = canvas.panels(len(families), columns=min(4, len(families)), tall=1.9)
    look = _looks(families)
    places = dict(zip(levels, map(float, range(len(levels))), strict=True))
    for axes, family in zip(grid, families, strict=True):
        canvas.panel_title(axes, family.title)
        axes.grid(visible=False, axis="x")
        for line in family.lines:
            _course(axes, line, places, look[line.client])
    first = grid[0]
    first.set_ylim(-4, 108)
    canvas.ticks(first.xaxis, list(places.values()), levels, most=8)
    first.set_xlim(-0.4, len(levels) - 0.6)
    figure.supxlabel("users", fontsize=8.5)
    figure.supylabel("% of the limit", fontsize=8.5)
    handles = [
        Line2D(
            [], [], color=each.colour, linestyle=each.line, linewidth=1.4, marker=each.marker,
            markersize=4, label=name,
        )
        for name, each in look.items()
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper center", ncols=min(5, len(handles)))
    return figure


def _course(axes: Axes, line: Line, places: dict[int, float], look: Look) -> None:
    drawn = {users: value for users, value in line.values.items() if value.share}
    medians = [value.share.median for value in drawn.values() if value.share]
    across = [places[users] for users in drawn]
    axes.plot(across, medians, color=look.colour, linestyle=look.line, linewidth=1.2)
    for at, median, value in zip(across, medians, drawn.values(), strict=True):
        marker = look.marker if median else NONE
        face = PAPER if value.state else look.colour
        axes.plot(
            [at], [median], marker=marker, color=look.colour, markerfacecolor=face,
            markersize=3.5 if median else 5, clip_on=False, zorder=3,
        )  # fmt: skip
