"""Cells of a share: a row for each service, a column for each number of users.

A cell has the hue of its service's model, the stronger the more it delivers of the limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.record import Run, Spread, Summary
from loadtests.report.charts import rows, theme
from loadtests.report.charts.chart import Spec
from loadtests.report.charts.rows import Record
from loadtests.report.results import facts
from loadtests.report.results.parts import scaled

PERFECT = "perfect service"
# Of the hue in a cell of 0 and of 100 %: letters on it can still be read.
FAINTEST, STRONGEST = 0.03, 0.55


@dataclass(frozen=True)
class Cell:
    """A share of the limit in percent, None where nothing was measured; `state` as in facts."""

    share: Spread | None
    state: str = ""
    bound: str = ""
    served: str = ""

    @property
    def words(self) -> str:
        """A share in percent, with ≥ where it may be more."""
        number = facts.number(self.share.median) if self.share else "×"
        return f"{'≥ ' if self.bound else ''}{number}"


def of_summary(row: Summary) -> Cell:
    """The cell of a summary; the whole is users ÷ delay, the same for every service."""
    share = scaled(row.rps, 100 * row.delay_s / row.users) if row.rps else None
    bound = facts.bounds([row]) if facts.at_least(row, "rps") else ""
    return Cell(share, facts.state(row), bound, facts.served(row))


def said(cells: Mapping[str, Mapping[int, Cell]]) -> str:
    """A map in words."""
    found = {
        name: ", ".join(
            f"{cell.words}" + (f" ({cell.state})" if cell.state else "") + f" at {users:,}"
            for users, cell in by_users.items()
        )
        for name, by_users in cells.items()
    }
    return ", ".join(f"{name} {words}" for name, words in found.items())


def records(
    run: Run, cells: Mapping[str, Mapping[int, Cell]], perfect: Mapping[int, float], **more: str
) -> list[Record]:
    """The data of a map, and as its last row the shares of a perfect service, in percent."""
    found = [
        _record(service, theme.look(run, service).fields, users, cell) | more
        for service, by_users in cells.items()
        for users, cell in by_users.items()
    ]
    straight = {users: Cell(Spread(value, value, value)) for users, value in perfect.items()}
    return found + [_record(PERFECT, {}, users, cell) | more for users, cell in straight.items()]


def headed(title: str, run: Run, cells: Mapping[str, Mapping[int, Cell]]) -> list[Record]:
    """The data of a group of rows under its name."""
    found = records(run, cells, {})
    model = next((one["model"] for one in found), "")
    first = next((one["users"] for one in found), None)
    return [{**rows.heading(title, model), "users": first}, *found]


def _record(service: str, look: Mapping[str, str], users: int, cell: Cell) -> Record:
    record: Record = {"service": service, **look, "users": users, "said": cell.words}
    if cell.share:
        record |= {"value": cell.share.median, "low": cell.share.min, "high": cell.share.max}
    rest = {"state": cell.state, "bound": cell.bound, "served": cell.served}
    return record | {name: text for name, text in rest.items() if text}


def chart(data: Sequence[Record]) -> Spec:
    """The spec of one map."""
    return {
        "data": {"values": list(data)},
        "width": "container",
        "height": {"step": rows.STEP + 3},
        "autosize": {"type": "fit-x", "contains": "padding"},
        **view(data),
    }


def charts(data: Sequence[Record], by: str) -> Spec:
    """The spec of a map for each value of the field `by`, one above the other."""
    names = list(dict.fromkeys(one[by] for one in data))
    return {
        "data": {"values": list(data)},
        "facet": {
            "field": by,
            "type": "nominal",
            "title": None,
            "sort": names,
            "header": {"labelAnchor": "start"},
        },
        "columns": 1,
        "spec": {"height": {"step": rows.STEP + 1}, **view(data)},
        "resolve": {"axis": {"x": "independent"}},
        "usermeta": {"around": rows.around(data), "shares": [1]},
    }


INVALID = {"test": "isValid(datum.state)"}


def view(data: Sequence[Record]) -> Spec:
    """The cells, with their numbers in them."""
    across = {"orient": "top", "labelAngle": 0, "format": ",", "domain": False, "ticks": False}
    return {
        "encoding": {
            "y": rows.place(data),
            "x": {"field": "users", "type": "ordinal", "title": "users", "axis": across},
        },
        "layer": [
            rows.order(),
            {
                "mark": {"type": "rect", "strokeWidth": 1.3},
                "encoding": {**_look(data), "tooltip": _tooltip()},
            },
            {
                "mark": {"type": "text", "fontSize": 11},
                "encoding": {"text": {"field": "said"}},
            },
        ],
    }


def _look(data: Sequence[Record]) -> Spec:
    """The hue of a model, stronger with the share; a frame where nothing is valid."""
    strength = {"domain": [0, 100], "range": [FAINTEST, STRONGEST], "clamp": True}
    return {
        "color": rows.colour(data),
        "fillOpacity": {
            "field": "value",
            "type": "quantitative",
            "scale": strength,
            "legend": None,
            "condition": {**INVALID, "value": 0},
        },
        "stroke": {"condition": {**INVALID, "value": "#888888"}, "value": None},
    }


def _tooltip() -> list[Spec]:
    return [
        *rows.ABOUT,
        {"field": "users", "type": "quantitative", "format": ","},
        rows.number("value", "% of the limit"),
        rows.number("low", "lowest round"),
        rows.number("high", "highest round"),
        *({"field": name} for name in ("state", "bound", "served")),
    ]
