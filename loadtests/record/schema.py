"""The shape of `run.json`, described for other programs by `run.schema.json`.

Files of an older schema, which `run.schema.<number>.json` describes, are upgraded when
they are read.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema

VERSION = 4
FILES = {
    1: Path(__file__).with_name("run.schema.1.json"),
    2: Path(__file__).with_name("run.schema.2.json"),
    3: Path(__file__).with_name("run.schema.3.json"),
    4: Path(__file__).with_name("run.schema.json"),
}


# The figures of a summary that schema 3 brought.
NEW_FIGURES = (
    *("p999_ms", "sent_p50_ms", "sent_p99_ms", "lag_p99_ms", "pss_bytes", "threads"),
    *("descriptors", "voluntary_switches", "involuntary_switches"),
    *("capacity_rps", "failed_at_rps"),
)


class InvalidRun(ValueError):
    """A `run.json` that is not one; the text says which file and what is wrong."""


def upgraded(document: dict[str, Any]) -> dict[str, Any]:
    """`document`, which is valid, in the shape of VERSION; what it already has stays as it is."""
    if document["schema"] == 1:
        document = _of_several_profiles(document)
    if document["schema"] == 2:
        document = _with_histograms(document)
    if document["schema"] == 3:
        document = _with_kinds(document)
    return document


def _of_several_profiles(document: dict[str, Any]) -> dict[str, Any]:
    """From schema 1: one profile a run, and one kind of them."""
    profile, workload = document["profile"], document.pop("workload")
    document["workloads"] = {profile: {"kind": "delay", "title": "", **workload}}
    for service in document["services"].values():
        service["cannot"] = {}
    for row in document["points"] + document["summary"]:
        row.update(profile=profile, idle_connections=0, heavy_requests=None, heavy_p50_ms=None)
        if not row["ceiling_rps"]:  # it was never worked out
            row["ceiling_rps"] = None
            if "round" in row:
                row["efficiency"] = None
    return document | {"schema": 2}


def _with_histograms(document: dict[str, Any]) -> dict[str, Any]:
    """From schema 2: no histograms, no open workload, no instruments, no cost of waiting.

    A point has defaults for what it lacks; a summary has none.
    """
    for row in document["summary"]:
        row.update(dict.fromkeys(NEW_FIGURES), dropped=0, histogram="", merged={})
    return document | {"schema": 3}


def _with_kinds(document: dict[str, Any]) -> dict[str, Any]:
    """From schema 3: no kinds of services, and what one cannot do in the place of what it offers.

    What was left out of a profile is said with the profile.
    """
    measured = {(point["profile"], point["service"]) for point in document["points"]}
    for name, service in document["services"].items():
        cannot = service.pop("cannot")
        for profile, workload in document["workloads"].items():
            reason = cannot.get(workload.get("route"))
            if reason and (profile, name) not in measured:
                workload.setdefault("left_out", {})[name] = reason
        exceptions = {rule: why for rule, why in cannot.items() if not rule.startswith("/")}
        service.update(kind="", offers=[], exceptions=exceptions, limit="")
    return document | {"schema": 4}


def validate(document: Any, path: Path) -> None:
    """Raise InvalidRun unless `document` fits its schema; `path` is for the message."""
    schema = document.get("schema") if isinstance(document, dict) else None
    known = schema if type(schema) is int and schema in FILES else VERSION
    error = jsonschema.exceptions.best_match(_validator(known).iter_errors(document))
    if error is not None:
        raise InvalidRun(f"{path}: {error.json_path}: {error.message}")


@cache
def _validator(schema: int) -> jsonschema.protocols.Validator:
    return jsonschema.Draft202012Validator(json.loads(FILES[schema].read_text()))
