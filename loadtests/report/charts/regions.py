"""A map over delays and users: in each cell the service that is best there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.record import Run
from loadtests.report.charts import rows, theme
from loadtests.report.charts.chart import Spec
from loadtests.report.charts.heat import STRONGEST
from loadtests.report.results import facts

TIES = {"field": "ties", "title": "within noise"}
TALL = 44  # pixels of a cell


@dataclass(frozen=True)
class Region:
    """The best of a place, by what, and the services that cannot be told from it."""

    delay_s: float
    users: int
    service: str
    value: str
    ties: tuple[str, ...]


def chart(run: Run, regions: Sequence[Region]) -> Spec:
    """The spec: delays upwards, users across, the hue of the model that is best."""
    data = [_record(run, region) for region in regions]
    delays = sorted({region.delay_s for region in regions}, reverse=True)
    names = [facts.seconds(delay_s) for delay_s in delays]
    return {
        "data": {"values": data},
        "width": "container",
        "height": {"step": TALL},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "encoding": {
            "y": {"field": "delay", "type": "ordinal", "sort": names, "title": "delay"},
            "x": {"field": "users", "type": "ordinal", "title": "users",
                  "axis": {"labelAngle": 0, "format": ","}},
        },
        "layer": [
            {
                "mark": {"type": "rect", "fillOpacity": STRONGEST / 2, "strokeWidth": 1},
                "encoding": {
                    "color": rows.colour(data),
                    "tooltip": [*rows.ABOUT, {"field": "value"}, TIES],
                },
            },
            _words("name", -7, "bold"),
            _words("value", 9, "normal"),
        ],
    }  # fmt: skip


def _record(run: Run, region: Region) -> rows.Record:
    ties = f" +{len(region.ties)}" if region.ties else ""
    return {
        "service": region.service,
        **theme.look(run, region.service).fields,
        "delay": facts.seconds(region.delay_s),
        "users": region.users,
        "name": f"{region.service}{ties}",
        "value": region.value,
        "ties": ", ".join(region.ties),
    }


def _words(field: str, down: int, weight: str) -> Spec:
    return {
        "mark": {"type": "text", "fontSize": 10.5, "dy": down, "fontWeight": weight, "limit": 110},
        "encoding": {
            "text": {"field": field},
            "tooltip": None,
        },
    }
