"""A run as `run.json` has it: a line a point, and nothing that is not known or follows."""

from __future__ import annotations

import json
from dataclasses import MISSING, Field, asdict, fields
from typing import TYPE_CHECKING, Any

from loadtests.record.point import Point
from loadtests.record.summary import Summary

if TYPE_CHECKING:
    from loadtests.record import Run

ROWS = {"points": Point, "summary": Summary}
NOTHING: tuple[Any, ...] = (None, "", [], {}, ())
# Of a row, also where it is nothing: what went wrong is there for all to see.
ALWAYS = ("failure_kinds", "invalid_because")


def document(run: Run) -> dict[str, Any]:
    """The run as JSON; what is left out of a row has the value that Point and Summary give it."""
    found = asdict(run)
    for name, kind in ROWS.items():
        nothing = {one.name: _default(one) for one in fields(kind) if one.name not in ALWAYS}
        found[name] = [
            {key: value for key, value in row.items() if not _is_left_out(value, nothing.get(key))}
            for row in found[name]
        ]
        for row in found[name]:
            row.pop("histograms", None)  # those of its points
    return found


def text(run: dict[str, Any]) -> str:
    """The lines of the file, in which a changed point is a changed line."""
    head = {key: value for key, value in run.items() if key not in ROWS}
    lines = [json.dumps(head, indent=1).removesuffix("\n}")]
    for name in ROWS:
        rows = ",\n".join("  " + json.dumps(row, separators=(",", ":")) for row in run[name])
        lines.append(f' "{name}": [\n{rows}\n ]')
    return ",\n".join(lines) + "\n}\n"


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _is_left_out(value: Any, default: Any) -> bool:
    return value in NOTHING and value == default and type(value) is type(default)
