"""The layers of a chart of lines over a level of load (lines.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

from loadtests.report.charts import rows, theme
from loadtests.report.charts.chart import Spec
from loadtests.report.charts.rows import Record
from loadtests.report.charts.series import Measure, Series

NEAR = 0.95  # of a level: what is so near below it stands at it
LEGEND = {"symbolType": "stroke", "symbolStrokeColor": "#888888"}
# By the wheel with a key held, so that a page still scrolls; dragged with a mouse, not a finger.
ZOOM = {
    "type": "interval",
    "zoom": "wheel![event.ctrlKey || event.shiftKey]",
    "translate": "[mousedown, window:mouseup] > window:mousemove!",
    "clear": "dblclick",
}


def whiskers(data: Sequence[Record]) -> Spec:
    """From the lowest round to the highest."""
    return {
        "transform": [{"filter": "datum.low < datum.high"}],
        "mark": {"type": "rule", "clip": True},
        "encoding": {
            "y": {"field": "low", "type": "quantitative"},
            "y2": {"field": "high"},
            "color": rows.colour(data),
        },
    }


def line(data: Sequence[Record], field: str, width: float) -> Spec:
    return {
        "transform": [{"filter": f"isValid(datum.{field})"}],
        "mark": {"type": "line", "strokeWidth": width, "clip": True},
        "encoding": {
            "y": {"field": field, "type": "quantitative"},
            "color": rows.colour(data),
            "strokeDash": rows.by_kind(data, theme.DASHES, **LEGEND),
            "detail": {"field": "service"},
        },
    }


def across(style: str, points: Sequence[Record]) -> Spec:
    return {
        "data": {"values": list(points)},
        "mark": {"type": "line", "style": style, "strokeWidth": 1.2, "clip": True},
        "encoding": {"y": {"field": "value", "type": "quantitative"}},
    }


def words(measure: Measure, places: Mapping[int, float]) -> list[Spec]:
    """The words that stand upright on levels and, beside a line, between them."""
    notes = [{"at": places[level], "note": said} for level, said in measure.notes]
    made = [_upright(notes, before=False)] if notes else []
    if measure.mark and (at := _between(measure.mark[0], places)) is not None:
        made.append(_vertical({"at": at}))
        made.append(_upright([{"at": at, "note": measure.mark[1]}], before=at > 0))
    return made


def _between(level: float, places: Mapping[int, float]) -> float | None:
    """The place of a level that none may have: what is just below the first one stands there."""
    first = min(places)
    if NEAR * first <= level <= first:
        return places[first]
    for (low, before), (high, after) in pairwise(places.items()):
        if low < level <= high:
            return before + (level - low) / (high - low) * (after - before)
    return None


def _upright(records: Sequence[Record], before: bool) -> Spec:
    side = {"baseline": "bottom", "dy": -4} if before else {"baseline": "top", "dy": 4}
    return {
        "data": {"values": list(records)},
        "mark": {"type": "text", "angle": 270, "align": "left", "dx": 4, "fontSize": 11, **side},
        "encoding": {"y": {"value": "height"}, "text": {"field": "note"}},
    }


def _vertical(place: Record) -> Spec:
    return {
        "data": {"values": [place]},
        "mark": {"type": "rule", "style": "limit"},
        "encoding": {"y": {"value": 0}, "y2": {"value": "height"}},
    }


def points(data: Sequence[Record]) -> Spec:
    colour = rows.colour(data)
    return {
        "transform": [{"filter": "isValid(datum.value)"}],
        "mark": {"type": "point", "filled": True, "size": 34, "opacity": 1, "clip": True},
        "encoding": {
            "y": {"field": "value", "type": "quantitative"},
            "color": colour,
            "stroke": {**colour, "legend": None},
            "fillOpacity": {
                "condition": {"test": "isValid(datum.state)", "value": 0},
                "value": 1,
            },
        },
    }


def bound() -> Spec:
    return {
        "transform": [{"filter": "datum.bound"}],
        "mark": {"type": "point", "shape": "triangle-up", "style": "ink", "filled": True,
                 "size": 45, "opacity": 1, "yOffset": -7, "clip": True},
        "encoding": {"y": {"field": "value", "type": "quantitative"}},
    }  # fmt: skip


def names() -> Spec:
    return {
        "transform": [{"filter": "isValid(datum.label)"}],
        # Not clipped, as all else is where the scales can be moved.
        "mark": {"type": "text", "align": "left", "dx": 8, "fontSize": 11, "clip": False},
        "encoding": {
            "x": {"value": "width"},
            "y": {"field": "label_at", "type": "quantitative"},
            "text": {"field": "label"},
        },
    }


def hover(series: Series) -> Spec:
    measure = series.measure
    figures = {"value": measure.axis, "low": "lowest round", "high": "highest round"}
    if measure.also and measure.lines:
        figures |= {"value": measure.lines[0], "also": measure.lines[1]}
    return {
        "name": "hover",
        "params": [{"name": "zoom", "bind": "scales", "select": ZOOM}],
        "transform": [{"filter": "isValid(datum.value)"}],
        "mark": {"type": "point", "filled": True, "size": 320, "opacity": 0.001, "clip": True},
        "encoding": {
            "y": {"field": "value", "type": "quantitative"},
            "tooltip": [
                *rows.ABOUT,
                {
                    "field": "level",
                    "type": "quantitative",
                    "title": series.over,
                    "format": ",",
                },
                *(rows.number(field, title) for field, title in figures.items()),
                {"field": "state"},
                {"field": "bound"},
            ],
        },
    }


def apart(wanted: Sequence[float], gap: float, height: float) -> list[float]:
    """Places as near to the wanted ones, which ascend, as a gap between any two allows."""
    placed = list(wanted)
    for at in range(1, len(placed)):
        placed[at] = max(placed[at], placed[at - 1] + gap)
    # Pushed down too far: back up from the bottom.
    limit = height - gap / 2
    for at in reversed(range(len(placed))):
        placed[at] = min(placed[at], limit)
        limit = placed[at] - gap
    return placed
