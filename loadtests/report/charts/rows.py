"""The parts of all charts with a row for each service."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from loadtests.report.charts import theme
from loadtests.report.charts.chart import Spec

STEPS = ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), tuple(n / 10 for n in range(10, 100)))
STEP = 19  # pixels of a row
LETTER = 6.6  # pixels, about, of one in a label
# From edge to edge, of a line at a value of the other axis.
ACROSS: dict[str, Spec] = {
    "x": {"y": {"value": 0}, "y2": {"value": "height"}},
    "y": {"x": {"value": 0}, "x2": {"value": "width"}},
}
SERVICE = {"field": "service", "title": "service"}
ABOUT = (SERVICE, {"field": "model", "title": "waits as"}, {"field": "kind", "title": "kind"})
HEADING = "heading"  # the field that says that a row only names those below it
Record = dict[str, Any]


def heading(title: str, model: str = "") -> Record:
    """A row that only names those below it, and goes where its model does."""
    return {"service": title, "model": model, "said": "", HEADING: True}


def place(records: Sequence[Record], named: bool = True, field: str = "service") -> Spec:
    """The encoding of rows in the order of the data; names of groups are bold."""
    heads = [one[field] for one in records if one.get(HEADING)]
    axis: Spec = {"domain": False, "ticks": False, "labelPadding": 6, "labelOverlap": False}
    if heads:
        axis |= {
            "labelFontWeight": {
                "condition": {"test": f"indexof({heads!r}, datum.value) >= 0", "value": "bold"},
                "value": "normal",
            }
        }
    return {
        "field": field,
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": axis if named else None,
    }


def order() -> Spec:
    """A first layer, of nothing, that has all rows: their order is that of the data."""
    return {"mark": {"type": "text", "text": ""}}


def colour(records: Iterable[Record], **legend: Any) -> Spec:
    """The hue of a model, with a legend of those there are."""
    found = {one.get("model") for one in records}
    shown = [name for name in theme.MODELS if name in found]
    return {
        "field": "model",
        "type": "nominal",
        "title": None,
        "scale": theme.SCALE,
        "legend": {
            "values": shown,
            "symbolType": "circle",
            "symbolStrokeWidth": 0,
            "symbolOpacity": 1,
            **legend,
        },
    }


def by_kind(records: Iterable[Record], scale: dict[str, Any], **legend: Any) -> Spec:
    """A channel that tells kinds apart; its legend has those there are, if they are several."""
    found = {one.get("kind") for one in records}
    shown = [name for name in scale if name in found]
    return {
        "field": "kind",
        "type": "ordinal",
        "title": None,
        "scale": {"domain": list(scale), "range": list(scale.values())},
        "legend": {"values": shown, "orient": "bottom", **legend} if len(shown) > 1 else None,
    }


def hover(tooltip: Sequence[Spec]) -> Spec:
    """Whole rows that answer a pointer or a finger; a still picture goes without."""
    return {
        "name": "hover",
        "transform": [{"filter": f"!datum.{HEADING}"}],
        "mark": {"type": "bar", "opacity": 0.001, "color": "#888888", "height": STEP},
        "encoding": {
            "x": {"value": 0},
            "x2": {"value": "width"},
            "tooltip": [*ABOUT, *tooltip],
        },
    }


def number(field: str, title: str) -> Spec:
    """A figure in a tooltip."""
    return {"field": field, "title": title, "type": "quantitative", "format": ",.6~r"}


def interval() -> Spec:
    """A whisker from the lowest round to the highest."""
    return {
        "transform": [{"filter": "datum.low < datum.high"}],
        "mark": {"type": "rule", "strokeWidth": 1.4},
        "encoding": {
            "x": {"field": "low", "type": "quantitative"},
            "x2": {"field": "high"},
        },
    }


def bound() -> Spec:
    """An arrow at a figure that something else has set, or that is more than is drawn."""
    return {
        "transform": [{"filter": "datum.bound || datum.beyond"}],
        "mark": {"type": "point", "shape": "triangle-right", "style": "ink", "size": 70,
                 "filled": True, "xOffset": 5, "opacity": 1},
        "encoding": {"x": {"field": "value", "type": "quantitative"}},
    }  # fmt: skip


def beside(field: str = "said") -> Spec:
    """Words of each row in a column beside the plot, where nothing is drawn over them."""
    return {
        "mark": {"type": "text", "align": "left", "dx": 8},
        "encoding": {"x": {"value": "width"}, "text": {"field": field}},
    }


def bounds(limit: float | None, perfect: float | None, channel: str = "x") -> list[Spec]:
    """Lines across the whole chart: what arithmetic allows, and a perfect service."""
    drawn = {"limit": limit, "perfect": perfect}
    titles = {"limit": "limit", "perfect": "perfect service"}
    return [
        {
            "data": {"values": [{"at": value}]},
            "mark": {"type": "rule", "style": style, "strokeWidth": 1.2},
            "encoding": {
                channel: {"field": "at", "type": "quantitative"},
                **ACROSS[channel],
                "tooltip": [number("at", titles[style])],
            },
        }
        for style, value in drawn.items()
        if value is not None
    ]


def across(title: str, scale: Spec, ticks: list[float] | None) -> Spec:
    """The encoding of a figure, but for its field."""
    axis: Spec = {"format": ",~r"} | ({"values": ticks} if ticks else {"tickCount": 5})
    return {"type": "quantitative", "title": title, "scale": scale, "axis": axis}


def scale(
    values: Iterable[float], log: bool = False, least: float = 0.0
) -> tuple[Spec, list[float] | None]:
    """A scale around the values, from 0 if it is not logarithmic, and where its ticks are.

    It is logarithmic if asked for, or if the values span more than a line can show.
    """
    found = [value for value in values if value > 0]
    low, high = min(found, default=1.0), max(found, default=1.0)
    if not (log or low * 30 < high) or not found:
        return {"domain": [min([0.0, least]), high * 1.02], "nice": False}, None
    low, high = _floor(low * 0.75), high * 1.06
    return {"type": "log", "domain": [low, high], "nice": False}, ticks(low, high)


def _floor(value: float) -> float:
    """The next of 1, 2, 5, 10, … that is not above a value."""
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (5, 2, 1) if power * step <= value * 1.0000001)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers on a logarithmic axis, at least three and not too many of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for steps in STEPS[high < 200 * low :]:
        every = [float(f"{step}e{power}") for power in powers for step in steps]
        found = [value for value in every if low <= value * 1.0000001 and value <= high]
        if len(found) > 2:
            break
    return found


def around(records: Iterable[Record], beside: int = 0) -> int:
    """About the pixels that the names of the services take, and so many characters beside."""
    longest = max((len(str(one["service"])) for one in records), default=0)
    return round(LETTER * (longest + beside)) + 24


def short(level: int) -> str:
    """A level of load on an axis: 10, 200, 1k, 1,500."""
    return f"{level // 1000}k" if level and level % 1000 == 0 else f"{level:,}"
