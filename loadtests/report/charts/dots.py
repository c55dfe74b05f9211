"""A row for each service with two dots, joined: the same figure twice, or two figures of a unit."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from loadtests.record import Run, Spread, Summary
from loadtests.report.charts import rows, theme
from loadtests.report.charts.bars import UNABLE, Axis
from loadtests.report.charts.chart import Spec
from loadtests.report.charts.rows import Record
from loadtests.report.results import facts
from loadtests.report.results.parts import Part

SHAPES = ("circle", "diamond")


@dataclass(frozen=True)
class Dots:
    """The two values of a service that are joined, each with its state as in facts."""

    name: str
    spreads: tuple[Spread | None, Spread | None]
    states: tuple[str, str]


def of_summaries(
    name: str, first: Summary | None, second: Summary | None, fields: tuple[str, str]
) -> Dots:
    """Two figures of a service, each from a summary."""
    given = list(zip((first, second), fields, strict=True))
    one, two = (getattr(row, field) if row else None for row, field in given)
    states = [facts.state(row) if row else "not measured" for row, _ in given]
    return Dots(name, (one, two), (states[0], states[1]))


def said(given: Iterable[Dots]) -> str:
    """The drawing in words."""
    return ", ".join(f"{row.name} {_words(row)}" for row in given)


def _words(row: Dots) -> str:
    words = [
        (facts.number(spread.median) if spread else "")
        + (f" ({state})" if spread and state else state)
        for spread, state in zip(row.spreads, row.states, strict=True)
    ]
    return " to ".join(dict.fromkeys(words))


def chart(part: Part, given: Iterable[Dots], ends: tuple[str, str], axis: Axis) -> Spec:
    """The spec; `ends` name the two dots, and behind all stand the services that cannot do it."""
    unable = [Dots(name, (None, None), (UNABLE, UNABLE)) for name in part.cannot]
    data = [record for dots in [*given, *unable] for record in _records(part.run, dots, ends)]
    found = [one[end] for one in data for end in ("low", "value", "high") if end in one]
    lines = [axis.limit] if axis.limit is not None else []
    scale, ticks = rows.scale([*found, *lines], axis.log)
    if ticks:  # nothing below the scale can be drawn
        data = [one if one.get("value", 0) > 0 else _undrawn(one) for one in data]
    x = rows.across(axis.title, scale, ticks)
    return {
        "data": {"values": data},
        "width": "container",
        "height": {"step": rows.STEP},
        "autosize": {"type": "fit-x", "contains": "padding"},
        "encoding": {"y": rows.place(data)},
        "layer": [
            rows.order(),
            *rows.bounds(axis.limit, None),
            _joined(x),
            rows.interval(),
            {
                "transform": [{"filter": "isValid(datum.value)"}],
                "mark": {
                    "type": "point",
                    "size": 75,
                    "filled": True,
                    "opacity": 1,
                    "strokeWidth": 1.4,
                },
                "encoding": {"x": {"field": "value", **x}, **_look(data, ends)},
            },
            rows.beside(),
            rows.hover(_tooltip(axis.title)),
        ],
    }


def _records(run: Run, dots: Dots, ends: tuple[str, str]) -> list[Record]:
    """One for each end; the words beside the row come with the first."""
    found: list[Record] = []
    for end, spread, state in zip(ends, dots.spreads, dots.states, strict=True):
        record: Record = {"service": dots.name, **theme.look(run, dots.name).fields, "end": end}
        record["said"] = "" if found else _words(dots).replace(" to ", " → ")
        if spread:
            record |= {"value": spread.median, "low": spread.min, "high": spread.max}
        found.append(record | ({"state": state} if state else {}))
    return found


def _undrawn(record: Record) -> Record:
    return {name: kept for name, kept in record.items() if name not in ("value", "low", "high")}


def _joined(x: Spec) -> Spec:
    return {
        "transform": [
            {
                "aggregate": [
                    {"op": "min", "field": "value", "as": "least"},
                    {"op": "max", "field": "value", "as": "most"},
                ],
                "groupby": ["service"],
            }
        ],
        "mark": {"type": "rule", "style": "soft", "strokeWidth": 3.5},
        "encoding": {"x": {"field": "least", **x}, "x2": {"field": "most"}},
    }


def _look(data: Sequence[Record], ends: tuple[str, str]) -> Spec:
    """Hue by model, fainter by kind, shape by end, hollow where nothing is valid."""
    fills = {kind: theme.FULL if kind == "stock" else theme.FAINT for kind in theme.DASHES}
    colour = rows.colour(data)
    return {
        "color": colour,
        "stroke": {**colour, "legend": None},
        "fillOpacity": {
            **rows.by_kind(data, fills, symbolFillColor="#888888", symbolType="circle"),
            "condition": {"test": "isValid(datum.state)", "value": 0},
        },
        "shape": {
            "field": "end",
            "type": "nominal",
            "title": None,
            "scale": {"domain": list(ends), "range": list(SHAPES)},
            "legend": {
                "orient": "bottom",
                "symbolFillColor": "#888888",
                "symbolStrokeColor": "#888888",
            },
        },
    }


def _tooltip(title: str) -> list[Spec]:
    figures = [
        rows.number(field, name)
        for field, name in (("value", title), ("low", "lowest round"), ("high", "highest round"))
    ]
    return [{"field": "end", "title": "of"}, *figures, {"field": "state", "title": "state"}]
