"""Maps over delays and users: a cell for each combination that was measured."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib import axes as mpl
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from loadtests.report import canvas, facts
from loadtests.report.style import COLOURS, GRID, INK, PAPER, WIDTH

# On colours of their own letters stay as they are, whatever the paper.
LIGHT, DARK = "#fefefe", "#101010"
SHADES = colormaps["cividis"]  # told apart by the colour-blind too, and in grey
Place = tuple[float, int]


@dataclass(frozen=True)
class Axes:
    """What is measured: delays upwards, users across."""

    delays: list[float]
    users: list[int]

    def corner(self, place: Place) -> tuple[int, int]:
        """The lower left corner of a cell, which is 1 × 1."""
        return self.users.index(place[1]), self.delays.index(place[0])


@dataclass(frozen=True)
class Cell:
    """A share from 0 to 1, None where nothing was measured; `state` as in facts."""

    share: float | None
    state: str = ""


@dataclass(frozen=True)
class Region:
    """The best of a place and by what; `firm` if it is good enough, else only the best there is."""

    service: str
    value: str
    ties: tuple[str, ...]
    firm: bool


def words(cell: Cell) -> str:
    """A share in percent."""
    return "×" if cell.share is None else facts.number(100 * cell.share, 2)


def maps(given: Mapping[str, Mapping[Place, Cell]], over: Axes) -> Figure:
    """A map for each service."""
    columns = min(len(given), 4 if len(over.users) < 5 else 3)
    figure, grid = canvas.panels(len(given), columns, tall=0.4 + 0.24 * len(over.delays))
    for axes, (name, cells) in zip(grid, given.items(), strict=True):
        canvas.panel_title(axes, name)
        for place, cell in cells.items():
            _cell(axes, over.corner(place), cell)
    _scales(grid[0], over)
    for axes in grid:
        axes.grid(visible=False)
    figure.supxlabel("users", fontsize=8.5)
    figure.supylabel("delay", fontsize=8.5)
    return figure


def _cell(axes: mpl.Axes, corner: tuple[int, int], cell: Cell) -> None:
    x, y = corner
    if cell.state or cell.share is None:
        look: dict[str, Any] = {"facecolor": PAPER, "edgecolor": GRID, "hatch": "////"}
        ink = INK
    else:
        red, green, blue, _ = shade = SHADES(min(1.0, cell.share))
        look = {"facecolor": shade, "edgecolor": PAPER}
        ink = DARK if 0.3 * red + 0.59 * green + 0.11 * blue > 0.5 else LIGHT
    axes.add_patch(Rectangle((x, y), 1, 1, linewidth=0.6, **look))
    behind = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.6} if cell.state else None
    axes.text(
        x + 0.5, y + 0.5, words(cell), ha="center", va="center", fontsize=7, color=ink, bbox=behind
    )


def _scales(axes: mpl.Axes, over: Axes) -> None:
    axes.set_xlim(0, len(over.users))
    axes.set_ylim(0, len(over.delays))
    canvas.ticks(axes.xaxis, [n + 0.5 for n in range(len(over.users))], over.users)
    names = [facts.seconds(delay) for delay in over.delays]
    axes.set_yticks([n + 0.5 for n in range(len(names))], names)


def regions(given: Mapping[Place, Region], over: Axes) -> Figure:
    """One map of who is best where, with lines between the regions."""
    figure = Figure(figsize=(WIDTH, 0.9 + 0.75 * len(over.delays)), layout="constrained")
    axes = figure.subplots()
    named = sorted({region.service for region in given.values()})
    look = {name: COLOURS[place % len(COLOURS)] for place, name in enumerate(named)}
    for place, region in given.items():
        _region(axes, over.corner(place), region, look[region.service])
    for place in given:
        _crossovers(axes, given, over, place)
    _scales(axes, over)
    axes.grid(visible=False)
    axes.set_xlabel("users")
    axes.set_ylabel("delay")
    axes.tick_params(length=0)
    return figure


def _region(axes: mpl.Axes, corner: tuple[int, int], region: Region, colour: str) -> None:
    """A cell in a tint of its service, which lets the paper and the letters be as they are."""
    x, y = corner
    axes.add_patch(Rectangle((x, y), 1, 1, facecolor=colour, alpha=0.3, linewidth=0))
    name = "\n".join(textwrap.wrap(region.service, 16))
    ties = f" +{len(region.ties)}" if region.ties else ""
    axes.text(
        x + 0.5, y + 0.5, f"{name}{ties}\n{region.value}", ha="center", va="center", fontsize=8,
        fontstyle="normal" if region.firm else "italic",
    )  # fmt: skip


def _crossovers(axes: mpl.Axes, given: Mapping[Place, Region], over: Axes, place: Place) -> None:
    """Lines to the right and above, where another is best beyond doubt."""
    x, y = over.corner(place)
    here = given[place]
    for right, up in ((1, 0), (0, 1)):
        if x + right >= len(over.users) or y + up >= len(over.delays):
            continue
        there = given.get((over.delays[y + up], over.users[x + right]))
        if there and _apart(here, there):
            axes.plot([x + right, x + 1], [y + up, y + 1], color=INK, linewidth=2.4, zorder=3)


def _apart(one: Region, other: Region) -> bool:
    """Whether they differ, and neither's best may as well be the best of the other."""
    return one.service not in (other.service, *other.ties) and other.service not in one.ties
