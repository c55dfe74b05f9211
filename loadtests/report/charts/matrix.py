"""Cells with words: a column for each service, a row for each thing that happens to all of them.

A cell has the hue of its service's model, the stronger the higher its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.record import Run
from loadtests.report.charts import heat, rows, theme
from loadtests.report.charts.chart import Spec

FRAMED = {"test": "datum.framed"}
MOST_LEVEL = 5  # services whose names stand beside each other


@dataclass(frozen=True)
class Cell:
    """A cell of `row`: a share in percent, what is `said` in it, and `told` beside a pointer.

    One that `is_framed` is not as it should be. A `link` leads to more on it.
    """

    service: str
    row: str
    share: float | None
    said: str
    is_framed: bool = False
    told: str = ""
    link: str = ""


def chart(run: Run, cells: Sequence[Cell]) -> Spec:
    """The spec; rows and columns are in the order of the cells."""
    data = [
        {
            "service": cell.service,
            **theme.look(run, cell.service).fields,
            "row": cell.row,
            "value": cell.share,
            "said": cell.said,
            "told": cell.told,
            "link": cell.link,
            "framed": cell.is_framed,
        }
        for cell in cells
    ]
    services = {cell.service for cell in cells}
    angle = 0 if len(services) <= MOST_LEVEL else -40
    axis = {"domain": False, "ticks": False, "labelOverlap": False}
    strength = {"domain": [0, 100], "range": [heat.FAINTEST, heat.STRONGEST], "clamp": True}
    linked = {"href": {"field": "link"}}
    tooltip = [
        *rows.ABOUT,
        {"field": "row", "title": "when"},
        rows.number("value", "% right"),
        {"field": "told", "title": "the others"},
    ]
    return {
        "data": {"values": data},
        "width": "container",
        "height": {"step": rows.STEP + 3},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "encoding": {
            "y": {"field": "row", "type": "nominal", "sort": None, "title": None, "axis": axis},
            "x": {
                "field": "service",
                "type": "nominal",
                "sort": None,
                "title": None,
                "axis": {**axis, "orient": "top", "labelAngle": angle},
            },
        },
        "layer": [
            rows.order(),
            {
                "mark": {"type": "rect", "strokeWidth": 1.6},
                "encoding": {
                    **linked,
                    "color": rows.colour(data),
                    "fillOpacity": {
                        "field": "value",
                        "type": "quantitative",
                        "scale": strength,
                        "legend": None,
                    },
                    "stroke": {"condition": {**FRAMED, "value": "#888888"}, "value": None},
                    "tooltip": tooltip,
                },
            },
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {**linked, "text": {"field": "said"}, "tooltip": tooltip},
            },
        ],
    }
