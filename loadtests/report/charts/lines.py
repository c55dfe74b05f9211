"""Lines over a level of load: a panel for each model, in it a line for each of its services."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.report.charts import bars, layers, rows, theme
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import PERFECT_TOLD, Chart, Spec
from loadtests.report.charts.rows import Record
from loadtests.report.charts.series import Series
from loadtests.report.results import facts
from loadtests.report.results.parts import Part

FEW = 6  # services: so many fit into one panel
LINE = 13  # pixels between two names beside a panel
LEAST, EXTRA = 110, 24  # the height of a panel, and what it has more than its names


def chart(part: Part, series: Series, name: str, title: str) -> Chart:
    """Declare a series: bars for one level, lines for several."""
    caption = series.measure.caption + (PERFECT_TOLD if series.perfect else "")
    alone = len(series.levels) == 1
    spec = _bars(part, series) if alone else Lines(series).spec()
    if not alone:
        caption += (
            " The number behind a name is that at the right end of the axis; a line that ends "
            "before it has none."
        )
    return Chart(name, title, caption, _alt(series), spec)


def _alt(series: Series) -> str:
    level = series.levels[-1]
    values = ", ".join(_said(series, name, level) for name in series.services)
    if level in series.perfect:
        values += f", a perfect service {facts.number(series.perfect[level])}"
    return f"{series.measure.axis} at {series.load(level)}: {values}"


def _said(series: Series, name: str, level: int) -> str:
    spread, state = series.at(name, level), series.state(name, level)
    if spread is None:
        return f"{name} {state or 'unknown'}"
    return f"{name} {facts.number(spread.median)}" + (f" ({state})" if state else "")


def _bars(part: Part, series: Series) -> Spec:
    (level,) = series.levels
    limit = series.measure.limit if series.delay_s else None
    axis = Axis(
        f"{series.measure.axis}, at {series.load(level)}",
        limit=limit(level, series.delay_s) if limit else None,
        perfect=series.perfect.get(level),
    )
    drawn = [
        Bar(
            name, series.at(name, level), series.state(name, level), bound=series.bound(name, level)
        )
        for name in series.services
    ]
    return bars.chart(part, drawn, axis)


@dataclass(frozen=True)
class Label:
    """A name beside a panel, in pixels from its top: where it should be, and where it is."""

    service: str
    text: str
    wanted: float


class Lines:
    """The spec of a series of several levels."""

    def __init__(self, series: Series) -> None:
        self.series = series
        self.places = {
            level: float(level if series.measure.proportional else place)
            for place, level in enumerate(series.levels)
        }
        self.looks = {name: theme.look(series.run, name) for name in series.services}
        self.panels = self._panels()
        most = max((len(names) for names in self.panels.values()), default=0)
        self.height = max(LEAST, EXTRA + LINE * most)
        self.scale, self.ticks = rows.scale(self._ends(), series.measure.log)

    def _panels(self) -> dict[str, list[str]]:
        if len(self.series.services) <= FEW:
            return {"": self.series.services}
        found: dict[str, list[str]] = {}
        for name in self.series.services:
            found.setdefault(theme.PLURALS[self.looks[name].model], []).append(name)
        return found

    def _ends(self) -> list[float]:
        fields = ["", self.series.measure.also] if self.series.measure.also else [""]
        spreads = [
            spread
            for name in self.series.services
            for field in fields
            for spread in self.series.drawn(name, field).values()
        ]
        ends = [end for spread in spreads for end in (spread.min, spread.max)]
        return [*ends, *self._limit().values(), *self.series.perfect.values()]

    def _limit(self) -> Mapping[int, float]:
        limit = self.series.measure.limit
        if not limit or not self.series.delay_s:
            return {}
        found = {level: limit(level, self.series.delay_s) for level in self.series.levels}
        return {level: value for level, value in found.items() if math.isfinite(value)}

    def _records(self) -> list[Record]:
        found = []
        for panel, names in self.panels.items():
            beside = self._labels(names)
            for name in names:
                found += self._of_service(panel, name, beside[name])
        return found

    def _of_service(self, panel: str, name: str, label: tuple[str, float]) -> list[Record]:
        about = {"service": name, **self.looks[name].fields, "panel": panel}
        also = self.series.drawn(name, self.series.measure.also) if self.series.measure.also else {}
        found = []
        for level, spread in self.series.drawn(name).items():
            record: Record = {**about, "at": self.places[level], "level": level}
            record |= {"value": spread.median, "low": spread.min, "high": spread.max}
            if level in also:
                record["also"] = also[level].median
            told = {
                "state": self.series.state(name, level),
                "bound": self.series.bound(name, level),
            }
            found.append(record | {key: text for key, text in told.items() if text})
        if not found:  # its name is there all the same
            state = self.series.state(name, self.series.levels[-1])
            nothing = {"state": state} if state else {}
            found = [{**about, "at": max(self.places.values()), **nothing}]
        found[-1] |= {"label": label[0], "label_at": label[1]}
        return found

    def _labels(self, names: Sequence[str]) -> dict[str, tuple[str, float]]:
        """The words beside each line and their value on the axis, so that none hides another."""
        wanted = []
        for name in names:
            drawn = list(self.series.drawn(name).values())
            # All names stand at the right: a number beside one is taken for that of the last level.
            last = self.series.at(name, self.series.levels[-1])
            number = f" {facts.number(last.median)}" if last else ""
            pixels = self._pixels(drawn[-1].median) if drawn else self.height
            wanted.append(Label(name, self.series.label(name) + number, pixels))
        wanted.sort(key=lambda label: label.wanted)
        placed = layers.apart([label.wanted for label in wanted], LINE, self.height)
        return {
            label.service: (label.text, self._value(pixels))
            for label, pixels in zip(wanted, placed, strict=True)
        }

    def _pixels(self, value: float) -> float:
        low, high = map(self._along, self.scale["domain"])
        return self.height * (1 - (self._along(value) - low) / (high - low))

    def _value(self, pixels: float) -> float:
        low, high = map(self._along, self.scale["domain"])
        along = low + (high - low) * (1 - pixels / self.height)
        return float(f"{10**along if self.ticks else along:.5g}")

    def _along(self, value: float) -> float:
        return math.log10(max(value, 1e-12)) if self.ticks else value

    def _points(self, values: Mapping[int, float]) -> list[Record]:
        # A logarithmic axis has no 0, and Vega would draw it at the other end.
        least = self.scale["domain"][0]
        return [
            {"at": self.places[level], "value": max(value, least)}
            for level, value in values.items()
        ]

    def spec(self) -> Spec:
        data = self._records()
        series = self.series
        lines = {"limit": self._limit(), "perfect": series.perfect}
        drawn = [
            *(
                layers.across(style, self._points(values))
                for style, values in lines.items()
                if values
            ),
            *layers.words(series.measure, self.places),
            *([layers.line(data, "also", 0.8)] if series.measure.also else []),
            layers.line(data, "value", 1.8),
            layers.whiskers(data),
            layers.points(data),
            layers.bound(),
            layers.names(),
            layers.hover(series),
        ]
        view = {
            "height": self.height,
            "encoding": {"x": self._x(), "y": self._y()},
            "layer": drawn,
        }
        return {
            "data": {"values": data},
            "facet": {"field": "panel", "type": "nominal", "title": None,
                      "sort": list(self.panels), "header": {"labelAnchor": "start"}},
            "columns": 1,
            "spacing": 14,
            "spec": view,
            "usermeta": {**self._around(data), "shares": [1]},
        }  # fmt: skip

    @staticmethod
    def _around(data: Sequence[Record]) -> dict[str, int]:
        """The pixels beside a panel; a narrow one has the names there without their numbers."""
        words = {"around": "label", "narrow": "service"}
        longest = {
            key: max(len(one.get(field, "")) for one in data) for key, field in words.items()
        }
        return {key: 74 + round(6.1 * letters) for key, letters in longest.items()}

    def _x(self) -> Spec:
        levels, places = self.series.levels, list(self.places.values())
        beside = 0.02 * (places[-1] - places[0])
        names = [rows.short(level) for level in levels]
        axis: Spec = {"values": places, "grid": False}
        if self.series.measure.proportional:
            axis["format"] = ",~r"
        else:
            axis["labelExpr"] = f"{names}[datum.value]"
        domain = [places[0] - beside, places[-1] + beside]
        scale = {"domain": domain, "nice": False, "zero": False}
        return {
            "field": "at",
            "type": "quantitative",
            "title": self.series.over,
            "scale": scale,
            "axis": axis,
        }

    def _y(self) -> Spec:
        made = rows.across(self.series.measure.axis, self.scale, self.ticks)
        return made | {"axis": {**made["axis"], "titlePadding": 8}}
