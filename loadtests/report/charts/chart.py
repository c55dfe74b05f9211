"""A chart, declared once in Vega-Lite: a page draws it, and here it becomes a still SVG.

A spec holds its data and names no colour (theme.py). Its width is that of the place where it is
drawn. One of several views has under `usermeta` what `sized` needs: `around`, the pixels beside
its views, and `shares`, the part of the rest that each of them gets.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any

import vl_convert

from loadtests.report.charts import lean, theme

Spec = dict[str, Any]
VEGA_LITE = "6.4"
FURNITURE = 50  # pixels of axes and titles
WIDTH = 760  # pixels of a still picture: about the column of a page on GitHub
NARROW = 520  # pixels: less has no room for all words
SHORTER = {"label": "service", "words": "sign"}  # fields of texts, and what stands there then
NARROW_COLUMNS = 2  # of a legend
# In a row of a packed spec: the record has no such field; it has what the one before it has.
ABSENT: list[Any] = []
AS_BEFORE: dict[str, Any] = {}
PERFECT_TOLD = (
    " The dash-dotted line is a perfect service: the generator straight at the backend, the best "
    "that this machine can show."
)


@dataclass(frozen=True)
class Chart:
    """A chart; `name` is unique within its run, `alt` says in words what is to be seen."""

    name: str
    title: str
    caption: str
    alt: str
    spec: Spec

    @property
    def svg(self) -> str:
        """A still picture on white paper: the same to the byte for the same data."""
        return self.still(WIDTH)

    def still(self, width: int) -> str:
        """The same for a place of so many pixels."""
        if width not in self._stills:
            self._stills[width] = self._drawn(width)
        return self._stills[width]

    @cached_property
    def _stills(self) -> dict[int, str]:
        """Those that were drawn, by their widths: a page asks for the size before the picture."""
        return {}

    def _drawn(self, width: int) -> str:
        still = sized(self.spec, width)
        _without_hover(still)
        config = theme.config()
        if width < NARROW:
            config["legend"]["columns"] = NARROW_COLUMNS
        drawn = vl_convert.vegalite_to_svg(still, vl_version=VEGA_LITE, config=config)
        return lean.svg(drawn)

    @property
    def height(self) -> int:
        """About the pixels that a page needs for it, before it is drawn."""
        views = self.spec.get("hconcat", [self.spec])
        return max(_height(view) for view in views) + FURNITURE

    @property
    def packed(self) -> Spec:
        """The spec in fewer bytes, as charts.js reads it.

        All records name their fields once, and of long values only those that the record before
        them has not. The scale of models is the page's. Numbers have six digits, as nobody sees
        more.
        """
        packed: Spec = _packed(self.spec)
        return packed

    @property
    def records(self) -> list[dict[str, Any]]:
        """All of its data: records of every view."""
        return list(_records(self.spec))


def _height(view: Spec) -> int:
    field = view.get("encoding", {}).get("y", {}).get("field", "service")
    rows = len({one.get(field) for one in view["data"]["values"]})
    inner = view.get("spec", view)
    height = inner["height"]
    one: int = round(height["step"] * rows) if isinstance(height, dict) else height
    if "facet" not in view:
        return one
    return (one + FURNITURE // 2) * len({row.get("panel") for row in view["data"]["values"]})


def _records(spec: Any) -> Iterator[dict[str, Any]]:
    if isinstance(spec, dict):
        yield from spec.get("data", {}).get("values", [])
        for key in ("hconcat", "layer", "spec"):
            yield from _records(spec.get(key))
    elif isinstance(spec, list):
        for one in spec:
            yield from _records(one)


def sized(spec: Spec, width: int) -> Spec:
    """The spec for a place of so many pixels; as `sized` in charts.js does it in a page."""
    spec = copy.deepcopy(spec)
    about = spec.get("usermeta", {})
    if width < NARROW:
        _shorten(spec)
    if "around" not in about:
        spec["width"] = width
        return spec
    views = [spec["spec"]] if "spec" in spec else spec["hconcat"]
    for view, share in zip(views, about["shares"], strict=True):
        around = about.get("narrow", about["around"]) if width < NARROW else about["around"]
        view["width"] = max(60, round((width - around) * share))
    return spec


def _shorten(spec: Any) -> None:
    if isinstance(spec, list):
        for one in spec:
            _shorten(one)
    elif isinstance(spec, dict):
        text = spec.get("text")
        if isinstance(text, dict) and text.get("field") in SHORTER:
            text["field"] = SHORTER[text["field"]]
        _shorten(list(spec.values()))


def _without_hover(spec: Spec) -> None:
    """Take away what only answers a pointer."""
    for view in [*spec.get("hconcat", []), *([spec["spec"]] if "spec" in spec else [])]:
        _without_hover(view)
    if "layer" in spec:
        spec["layer"] = [one for one in spec["layer"] if one.get("name") != "hover"]
    for layer in [spec, *spec.get("layer", [])]:
        layer.pop("params", None)
        layer.get("mark", {}).pop("clip", None)
        for channel in ("tooltip", "href"):
            layer.get("encoding", {}).pop(channel, None)


def _packed(spec: Any) -> Any:
    if isinstance(spec, list):
        return [_packed(one) for one in spec]
    if not isinstance(spec, dict):
        return spec
    values = spec.get("values")
    if isinstance(values, list) and values and isinstance(values[0], dict):
        columns = list(dict.fromkeys(name for one in values for name in one))
        rows = [[_short(one.get(name, ABSENT)) for name in columns] for one in values]
        changes = [list(map(_change, before, row)) for before, row in pairwise(rows)]
        return {**spec, "values": {"columns": columns, "rows": [rows[0], *changes]}}
    return {key: _packed(of) for key, of in spec.items() if of != theme.SCALE}


def _change(before: Any, value: Any) -> Any:
    is_same = value == before and type(value) is type(before)
    return AS_BEFORE if is_same and len(json.dumps(value)) > len("{}") else value


def _short(value: Any) -> Any:
    if not isinstance(value, float):
        return value
    short = float(f"{value:.6g}")
    return int(short) if short.is_integer() else short
