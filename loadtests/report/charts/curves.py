"""Response times over percentiles: a line for each service and workload, by what waits."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.record import Run
from loadtests.report.charts import rows, theme
from loadtests.report.charts.chart import Spec
from loadtests.report.charts.layers import ZOOM

# As many in each tenth that is left: 0 to 90, 90 to 99, 99 to 99.9 and 99.9 to 99.99.
PERCENTILES = [100 * (1 - 10 ** (-place / 20)) for place in range(81)]
HEIGHT = 170
DASHES = [[1, 0], [3, 3]]


@dataclass(frozen=True)
class Curve:
    """Response times in ms of a service under a workload, one for each of PERCENTILES."""

    service: str
    workload: str
    times_ms: list[float]
    valid: bool


def chart(
    run: Run, given: Iterable[Curve], workloads: Sequence[str], expected: Sequence[float]
) -> Spec:
    """The spec; each workload has its dashes, and `expected` is what arithmetic says."""
    data = [_record(run, curve) for curve in given]
    times = [*(time for one in data for time in one["ms"]), *expected]
    y = rows.across("response time, ms", *rows.scale(times, log=True))
    limit = [{"left": left, "ms": ms} for left, ms in zip(_left(), _short(expected), strict=True)]
    arithmetic = {
        "data": {"values": limit},
        "mark": {"type": "line", "style": "limit", "strokeWidth": 1.4, "clip": True},
    }
    return {
        "data": {"values": data},
        "transform": [
            {"calculate": f"{_left()}", "as": "left"},
            {"flatten": ["left", "ms"]},
            {"calculate": "100 - datum.left", "as": "percentile"},
        ],
        "facet": {
            "field": "panel",
            "type": "nominal",
            "title": None,
            "header": {"labelAnchor": "start"},
        },
        "columns": 1,
        "spacing": 14,
        "spec": {
            "height": HEIGHT,
            "encoding": {"x": _x(), "y": {"field": "ms", **y}},
            "layer": [arithmetic, _lines(data, workloads), _hover()],
        },
        "usermeta": {"around": 84, "shares": [1]},
    }


def _record(run: Run, curve: Curve) -> rows.Record:
    look = theme.look(run, curve.service)
    about = {"service": curve.service, **look.fields, "workload": curve.workload}
    state = {} if curve.valid else {"state": "invalid"}
    panel = theme.PLURALS[look.model]
    return {**about, "panel": panel, "ms": _short(curve.times_ms), **state}


def _left() -> list[float]:
    """The percent that each percentile leaves."""
    return _short(100 - percentile for percentile in PERCENTILES)


def _short(numbers: Iterable[float]) -> list[float]:
    return [float(f"{number:.4g}") for number in numbers]


def _x() -> Spec:
    """Across what is left to 100 %, each tenth as wide as the one before."""
    return {
        "field": "left",
        "type": "quantitative",
        "title": "percentile",
        "scale": {"type": "log", "domain": [0.01, 100], "reverse": True, "nice": False},
        "axis": {
            "values": [100, 50, 10, 1, 0.1, 0.01],
            "labelExpr": "format(100 - datum.value, '.10~r')",
            "grid": False,
        },
    }


def _lines(data: Sequence[rows.Record], workloads: Sequence[str]) -> Spec:
    """Lines of what counts, and faint ones of what does not."""
    return {
        "mark": {"type": "line", "strokeWidth": 1.6, "clip": True},
        "encoding": {
            "color": rows.colour(data, symbolType="stroke", symbolStrokeWidth=3),
            "strokeDash": {
                "field": "workload",
                "type": "nominal",
                "title": None,
                "scale": {"domain": list(workloads), "range": DASHES},
                "legend": {
                    "orient": "bottom",
                    "symbolType": "stroke",
                    "symbolStrokeColor": "#888888",
                },
            },
            "opacity": {"condition": {"test": "isValid(datum.state)", "value": 0.35}, "value": 1},
            "detail": [{"field": "service"}, {"field": "state"}],
        },
    }


def _hover() -> Spec:
    figures = [rows.number("percentile", "percentile"), rows.number("ms", "response time, ms")]
    return {
        "name": "hover",
        "params": [{"name": "zoom", "bind": "scales", "select": ZOOM}],
        "mark": {"type": "point", "filled": True, "size": 120, "opacity": 0.001, "clip": True},
        "encoding": {
            "tooltip": [*rows.ABOUT, {"field": "workload"}, *figures, {"field": "state"}],
        },
    }
