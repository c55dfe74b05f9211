"""The shape of `run.json`, described for other programs by `run.schema.json`.

A row lacks what it does not know (record/stored.py), which has a default in Point and Summary;
in schema 5 it was there nevertheless, and so one description and one reader serve both.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadtests.errors import UsageError

if TYPE_CHECKING:
    import jsonschema

VERSION = 6
FILE = Path(__file__).with_name("run.schema.json")


class InvalidRun(UsageError):
    """A `run.json` that is not one; the text says which file and what is wrong."""


def validate(document: Any, path: Path) -> None:
    """Raise InvalidRun unless `document` fits the schema; `path` is for the message."""
    from jsonschema import exceptions  # only here: what checks nothing starts without it

    error = exceptions.best_match(_validator().iter_errors(document))
    if error is not None:
        raise InvalidRun(f"{path}: {error.json_path}: {error.message}".replace("\n", " "))


@cache
def _validator() -> jsonschema.protocols.Validator:
    import jsonschema

    return jsonschema.Draft202012Validator(json.loads(FILE.read_text(encoding="utf-8")))
