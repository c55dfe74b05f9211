"""How the charts look: the colours, and what tells the services apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Line = Literal["-", "--", "-."]
# Okabe and Ito's colours, told apart by the colour-blind too, without black and the pale yellow.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
LINES: tuple[Line, ...] = ("-", "--", "-.")
# A page that holds a chart inline may give these three other values, for dark paper.
INK, GRID, PAPER = "#222222", "#d9d9d9", "#ffffff"
WIDTH = 6.6  # inches, at which 8.5 points are as large as the text of a report

STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",  # comes with matplotlib: the same widths on every machine
    "font.size": 8.5,
    "axes.edgecolor": INK,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.axisbelow": True,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "legend.handlelength": 3,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
}
FONTS = "font-family: system-ui, 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Look:
    """How a service is drawn, in every chart of a run."""

    colour: str
    marker: str
    line: Line


def looks(services: list[str]) -> dict[str, Look]:
    """A look for each service; by name, so that it does not depend on who was faster."""
    return {
        name: Look(
            COLOURS[index % len(COLOURS)],
            MARKERS[index % len(MARKERS)],
            LINES[index // len(COLOURS) % len(LINES)],
        )
        for index, name in enumerate(sorted(services))
    }
