"""A bar for each service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from loadtests.record import Run, Spread
from loadtests.report.charts import rows, theme
from loadtests.report.charts.chart import Spec
from loadtests.report.charts.rows import Record
from loadtests.report.results import facts
from loadtests.report.results.parts import Part

LEGEND = {"symbolType": "square", "symbolFillColor": "#888888", "symbolStrokeColor": "#888888"}
BAR = {"type": "bar", "strokeWidth": 1.3, "height": {"band": 0.68}}
# Of two charts side by side: the space between them, and their shares of the width.
GAP, SHARES = 14, (0.55, 0.45)
UNABLE = "— cannot"


@dataclass(frozen=True)
class Bar:
    """A service's value; `state` as in facts, `note` more about it.

    A `mark` is a tick in the same row, at a value of its own. `bound` says what has set the value
    where the service's own is at least as high.
    """

    name: str
    spread: Spread | None
    state: str = ""
    note: str = ""
    mark: float | None = None
    bound: str = ""


def said(given: Iterable[Bar]) -> str:
    """The drawing in words."""
    return ", ".join(f"{bar.name} {_words(bar)}{bar.note}" for bar in given)


def _words(bar: Bar) -> str:
    if bar.spread is None:
        return bar.state
    state = f" ({bar.state})" if bar.state else ""
    return f"{'≥ ' if bar.bound else ''}{facts.number(bar.spread.median)}{state}"


def records(run: Run, bars: Iterable[Bar]) -> list[Record]:
    """The data of bars: a record a service."""
    return [_record(run, bar) for bar in bars]


def _record(run: Run, bar: Bar) -> Record:
    found: Record = {"service": bar.name} | theme.look(run, bar.name).fields
    if bar.spread is not None:
        low, high = bar.spread.min, bar.spread.max
        found |= {"value": bar.spread.median, "low": low, "high": high}
    if bar.mark is not None:
        found["mark"] = bar.mark
    rest = {"state": bar.state, "bound": bar.bound, "note": bar.note.lstrip(", ")}
    return found | {"said": _words(bar)} | {name: text for name, text in rest.items() if text}


@dataclass(frozen=True)
class Axis:
    """The axis of values: title, whether it is logarithmic, and lines across all rows.

    A value beyond the `most` that is drawn has an arrow at the edge.
    """

    title: str
    log: bool = False
    limit: float | None = None
    perfect: float | None = None
    mark: str = ""
    most: float = inf


def chart(part: Part, bars: Iterable[Bar], axis: Axis) -> Spec:
    """A chart of bars alone; behind them the services that cannot do it."""
    unable = [Bar(name, None, UNABLE, note=reason) for name, reason in part.cannot.items()]
    data = records(part.run, [*bars, *unable])
    return {
        "data": {"values": data},
        "width": "container",
        "height": {"step": rows.STEP},
        "autosize": {"type": "fit-x", "contains": "padding"},
        **view(data, axis),
    }


def beside_each_other(
    run: Run, groups: Mapping[str, Sequence[str]], sides: Sequence[tuple[Axis, Iterable[Bar]]]
) -> Spec:
    """Two charts of bars with the same rows, in groups by their titles."""
    data = [
        _grouped(run, groups, {bar.name: bar for bar in drawn}, axis.most) for axis, drawn in sides
    ]
    views = [
        {
            "data": {"values": shown},
            "height": {"step": rows.STEP},
            **view(shown, axis, named=not place),
        }
        for place, (shown, (axis, _)) in enumerate(zip(data, sides, strict=True))
    ]
    words = sum(max(len(str(one["said"])) for one in shown) for shown in data)
    around = rows.around(data[0], beside=words) + GAP + 12
    return {"hconcat": views, "spacing": GAP, "usermeta": {"around": around, "shares": SHARES}}


def _grouped(
    run: Run, groups: Mapping[str, Sequence[str]], known: Mapping[str, Bar], most: float
) -> list[Record]:
    made: list[Record] = []
    for title, names in groups.items():
        found = [known.get(name, Bar(name, None, facts.NOTHING)) for name in names]
        models = [theme.look(run, name).model for name in names]
        made += [rows.heading(title, models[0]), *records(run, found)]
    return [one | {"beyond": True} if one.get("value", 0.0) > most else one for one in made]


def view(data: Sequence[Record], axis: Axis, named: bool = True) -> Spec:
    """Bars, with names on the left or without, and the numbers in a column on the right."""
    ends = [one[end] for one in data for end in ("low", "value", "high", "mark") if end in one]
    limit, perfect = (
        line if line and line <= axis.most else None for line in (axis.limit, axis.perfect)
    )
    shown = [min(one, axis.most) for one in (*ends, limit, perfect) if one is not None]
    scale, ticks = rows.scale(shown, axis.log, min(ends, default=0.0))
    scale["clamp"] = True
    shape: Spec = {"x": {"field": "value", **rows.across(axis.title, scale, ticks)}}
    if ticks:
        shape["x2"] = {"datum": scale["domain"][0]}
    tooltip = [rows.number("value", axis.title), rows.number("low", "lowest round")]
    tooltip.append(rows.number("high", "highest round"))
    tooltip += [rows.number("mark", axis.mark)] if axis.mark else []
    told = {name for one in data for name in ("state", "bound", "note") if name in one}
    tooltip += [{"field": name} for name in sorted(told)]
    return {
        "encoding": {"y": rows.place(data, named)},
        "layer": [
            rows.order(),
            *rows.bounds(limit, perfect),
            {
                "mark": BAR,
                "encoding": shape | _look(data),
            },
            rows.interval(),
            _mark(),
            rows.bound(),
            rows.beside(),
            rows.hover(tooltip),
        ],
    }


def _look(data: Sequence[Record]) -> Spec:
    """Hue by model, fainter and dashed by kind, hollow where nothing is valid."""
    fills = {kind: theme.FULL if kind == "stock" else theme.FAINT for kind in theme.DASHES}
    hollow = {"test": "isValid(datum.state)", "value": 0}
    colour = rows.colour(data)
    return {
        "color": colour,
        "stroke": {**colour, "legend": None},
        "fillOpacity": {**rows.by_kind(data, fills, **LEGEND), "condition": hollow},
        "strokeDash": rows.by_kind(data, theme.DASHES, **LEGEND),
    }


def _mark() -> Spec:
    """The tick of a row at a value of its own."""
    return {
        "transform": [{"filter": "isValid(datum.mark)"}],
        "mark": {"type": "tick", "thickness": 2.2, "size": 15, "opacity": 1},
        "encoding": {"x": {"field": "mark", "type": "quantitative"}},
    }
