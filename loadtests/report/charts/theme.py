"""The look of every chart: a hue for each way of waiting, and the same words in light and dark.

The specs name no colour: they name a model, and styles. The configuration of Vega-Lite below gives
each a colour, one set for white paper and one for dark.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from loadtests.catalog import KINDS
from loadtests.record import Run, noise
from loadtests.report.results.waiting import thing_that_waits

OTHER = "other"
# By what waits: its colours on white and on dark paper, of at least 3:1 with it. Told apart by the
# colour-blind: Okabe and Ito's, the pale ones darkened for white and the dark ones lightened.
HUES = {
    "coroutine": ("#c94f00", "#f5874a"),
    "callback": ("#b0468c", "#e58fc6"),
    "generator": ("#8f6400", "#e6ae3c"),
    "greenlet": ("#00805e", "#35c79c"),
    "thread": ("#0067a3", "#56b1ea"),
    "process": ("#666666", "#a8a8a8"),
    "connection": ("#6a4fa3", "#b9a2ec"),
    OTHER: ("#3d3d3d", "#d0d0d0"),
}
MODELS = tuple(HUES)
SCALE = {"domain": list(MODELS)}  # of hues
PLURALS = {name: f"{name.capitalize()}s" for name in MODELS} | {
    "process": "Processes",
    OTHER: "Others",
}
# By kind: the dashes of a line, and the marker of a point. The fill of a bar is FULL or FAINT.
DASHES = {
    "stock": [1, 0],
    "tuned": [10, 2],
    "bare": [6, 3],
    "lesson": [3, 2],
    "mistake": [1.5, 2.5],
    "floor": [8, 2, 2, 2],
}
FULL, FAINT = 1, 0.4
# Vega measures it with a font that it brings, and every reader has one of the same widths.
FONT = "Liberation Sans, Arimo, Arial, Helvetica, sans-serif"
LIGHT = {
    "ink": "#222222",
    "soft": "#5c5c5c",
    "grid": "#e2e2e2",
    "rest": "#bdbdbd",
    "paper": "#ffffff",
}
DARK = {
    "ink": "#e4e4e0",
    "soft": "#a8a8a2",
    "grid": "#343432",
    "rest": "#5a5a56",
    "paper": "#191918",
}


@dataclass(frozen=True)
class Look:
    """Of a service the model, one of MODELS, and the kind, one of KINDS."""

    model: str
    kind: str

    @property
    def fields(self) -> dict[str, str]:
        """As fields of a chart's data."""
        return {"model": self.model, "kind": self.kind}


def look(run: Run, service: str) -> Look:
    """The look of a service; one that was measured again looks as it did the first time."""
    about = run.services.get(noise.doubles(run).get(service, service), {})
    waits = thing_that_waits(str(about.get("waits", ""))).removeprefix("a ")
    kind = str(about.get("kind") or KINDS[0])
    return Look(waits if waits in HUES else OTHER, kind if kind in KINDS else KINDS[0])


def of_pages() -> dict[str, Any]:
    """The configuration of each paper and the scale of hues, with which charts.js draws."""
    return {"light": config(), "dark": config(dark=True), "models": SCALE}


def config(dark: bool = False) -> dict[str, Any]:
    """Vega-Lite's configuration for white paper or dark."""
    colours = DARK if dark else LIGHT
    ink, soft, grid, paper = colours["ink"], colours["soft"], colours["grid"], colours["paper"]
    text = {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "background": paper,
        "font": FONT,
        "aria": False,
        "range": {
            "category": [hues[dark] for hues in HUES.values()],
        },
        "view": {"stroke": None},
        "axis": text
        | {
            "domainColor": soft,
            "ticks": False,
            "labelPadding": 5,
            "gridColor": grid,
            "titleFontWeight": "normal",
            "labelLimit": 0,
            "labelOverlap": "greedy",
        },
        "legend": text
        | {"orient": "top", "symbolStrokeWidth": 2, "labelLimit": 0, "titleFontWeight": "normal"},
        "header": text | {"labelFontWeight": "bold", "labelFontSize": 12, "labelLimit": 0},
        "text": {"color": ink, "fontSize": 12},
        "rule": {"color": ink},
        "tick": {"color": ink},
        "style": {
            "ink": {"color": ink},
            "soft": {"color": colours["rest"]},
            "limit": {"color": ink, "strokeDash": [5, 4]},
            "perfect": {"color": ink, "strokeDash": [9, 3, 2, 3]},
        },
    }
