"""Strips over time: for each service how many of a second's arrivals were answered in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from loadtests.record import Run
from loadtests.report.charts import rows, theme
from loadtests.report.charts.chart import Spec

HEIGHT = 54  # pixels of a strip
STEP = "step-after"  # a second's figure lasts until the next one's


@dataclass(frozen=True)
class Strip:
    """A service's seconds: arrivals and answers in time as shares of its capacity.

    `sent` has the attempts for each arrival. `state` is empty where it counts, and `told` stands
    behind its name.
    """

    service: str
    due: list[float]
    answered: list[float]
    sent: list[float]
    state: str
    told: str


def chart(run: Run, strips: Sequence[Strip], phase: tuple[int, int], most: float) -> Spec:
    """The spec; `phase` are the seconds in which too much arrives, `most` that as a share."""
    data = [record for strip in strips for record in _records(run, strip)]
    last = max((one["second"] for one in data), default=1)
    x: Spec = {
        "field": "second",
        "type": "quantitative",
        "title": "seconds",
        "scale": {"domain": [0, last], "nice": False},
        "axis": {"tickCount": 10, "grid": False},
    }
    y: Spec = {
        "type": "quantitative",
        "title": None,
        "scale": {"domain": [0, 1.1 * most], "nice": False},
        "axis": {"values": [0, 0.5, 1, 1.5], "format": "~%"},
    }
    panels = list(dict.fromkeys(one["panel"] for one in data))
    return {
        "data": {"values": data},
        "facet": {
            "field": "panel",
            "type": "nominal",
            "title": None,
            "sort": panels,
            "header": {"labelAnchor": "start", "labelPadding": 2},
        },
        "columns": 1,
        "spacing": 8,
        "spec": {
            "height": HEIGHT,
            "encoding": {"x": x, "y": y},
            "layer": [_overload(phase), _answered(data), _due(), _hover()],
        },
        "usermeta": {"around": 60, "shares": [1]},
    }


def _records(run: Run, strip: Strip) -> list[rows.Record]:
    about = {"service": strip.service, **theme.look(run, strip.service).fields}
    about["panel"] = f"{strip.service}: {strip.told}"
    if strip.state:
        about["state"] = strip.state
    figures = zip(strip.due, strip.answered, strip.sent, strict=True)
    found: list[rows.Record] = [
        {
            **about,
            "second": second,
            "due": round(due, 3),
            "answered": round(answered, 3),
            "sent": round(sent, 2),
        }
        for second, (due, answered, sent) in enumerate(figures)
    ]
    if found:  # the last one's figure lasts, too
        return [*found, found[-1] | {"second": len(found)}]
    return [{**about, "second": 0}]


def _overload(phase: tuple[int, int]) -> Spec:
    begin, end = phase
    return {
        "data": {"values": [{"begin": begin, "end": end}]},
        "mark": {"type": "rect", "style": "soft", "opacity": 0.25},
        "encoding": {
            "x": {"field": "begin", "type": "quantitative"},
            "x2": {"field": "end"},
            "y": {"value": 0},
            "y2": {"value": "height"},
        },
    }


def _answered(data: Sequence[rows.Record]) -> Spec:
    """Areas, those of services that do not count are faint."""
    return {
        "mark": {"type": "area", "interpolate": STEP},
        "encoding": {
            "y": {"field": "answered", "type": "quantitative"},
            "color": rows.colour(data),
            "opacity": {"condition": {"test": "isValid(datum.state)", "value": 0.35}, "value": 0.9},
        },
    }


def _due() -> Spec:
    return {
        "mark": {"type": "line", "style": "ink", "interpolate": STEP, "strokeWidth": 1.2},
        "encoding": {"y": {"field": "due", "type": "quantitative"}},
    }


def _hover() -> Spec:
    shares = {"due": "arrived", "answered": "answered in time"}
    told = [
        {"field": field, "title": title, "type": "quantitative", "format": ".0%"}
        for field, title in shares.items()
    ]
    sent = rows.number("sent", "attempts a request")
    return {
        "name": "hover",
        "mark": {"type": "bar", "opacity": 0.001, "xOffset": 5, "width": 12},
        "encoding": {
            "y": {"value": 0},
            "y2": {"value": "height"},
            "tooltip": [*rows.ABOUT, rows.number("second", "second"), *told, sent,
                        {"field": "state"}],
        },
    }  # fmt: skip
