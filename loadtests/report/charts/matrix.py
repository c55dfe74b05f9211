"""Cells with words: a column for each service, a row for each thing that happens to all of them.

A cell has the hue of its service's model, the stronger the higher its share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from loadtests.record import Run
from loadtests.report.charts import heat, rows, theme
from loadtests.report.charts.chart import Spec

FRAMED = {"test": "datum.framed"}
CELLS = [{"filter": f"!datum.{rows.HEADING}"}]
MOST_LEVEL = 5  # services whose names stand beside each other


@dataclass(frozen=True)
class Cell:
    """A cell of `row`, one of the rows of a `group`: a share in percent, and its `words`.

    One that `is_framed` is not as it should be. Where there is no room for words stands its
    `sign`. A pointer is `told` more of it, and a `link` leads there.
    """

    service: str
    group: str
    row: str
    share: float | None
    words: str
    sign: str = ""
    is_framed: bool = False
    told: str = ""
    link: str = ""


def chart(run: Run, cells: Sequence[Cell]) -> Spec:
    """The spec; rows and columns are in the order of the cells."""
    data: list[rows.Record] = []
    for group, found in groupby(cells, lambda cell: cell.group):
        data.append({**rows.heading(group), "row": group})
        data += [_record(run, cell) for cell in found]
    services = {cell.service for cell in cells}
    angle = 0 if len(services) <= MOST_LEVEL else -90  # tilted, the last would be cut off
    strength = {"domain": [0, 100], "range": [heat.FAINTEST, heat.STRONGEST], "clamp": True}
    columns = {
        "field": "service",
        "type": "nominal",
        "sort": None,
        "title": None,
        "axis": {
            "domain": False,
            "ticks": False,
            "labelOverlap": False,
            "orient": "top",
            "labelAngle": angle,
        },
    }
    tooltip = [
        *rows.ABOUT,
        {"field": "group", "title": "when"},
        {"field": "row", "title": "it"},
        rows.number("value", "% right"),
        {"field": "told", "title": "the others"},
    ]
    shared = {"x": columns, "href": {"field": "link"}, "tooltip": tooltip}
    return {
        "data": {"values": data},
        "width": "container",
        "height": {"step": rows.STEP + 3},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "encoding": {"y": rows.place(data, field="row")},
        "layer": [
            rows.order(),
            {
                "transform": CELLS,
                "mark": {"type": "rect", "strokeWidth": 1.6},
                "encoding": {
                    **shared,
                    "color": rows.colour(data),
                    "fillOpacity": {
                        "field": "value",
                        "type": "quantitative",
                        "scale": strength,
                        "legend": None,
                    },
                    "stroke": {"condition": {**FRAMED, "value": "#888888"}, "value": None},
                },
            },
            {
                "transform": CELLS,
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {**shared, "text": {"field": "words"}},
            },
        ],
    }


def _record(run: Run, cell: Cell) -> rows.Record:
    return {
        "service": cell.service,
        **theme.look(run, cell.service).fields,
        "group": cell.group,
        "row": cell.row,
        "value": cell.share,
        "words": cell.words,
        "sign": cell.sign,
        "told": cell.told,
        "link": cell.link,
        "framed": cell.is_framed,
    }
