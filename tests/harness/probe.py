"""A second locustfile: writes what Locust counted to $COUNTED when it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment


@events.quitting.add_listener
def write_counted(environment: Environment, **_: Any) -> None:
    """Failures, `{message: how often}`, and percentiles; Locust's own CSV has whole ms only."""
    errors = environment.stats.errors.values()
    counted = {
        "failures": {str(error.error): error.occurrences for error in errors},
        **{
            f"p{percent}_ms": environment.stats.total.get_response_time_percentile(percent / 100)
            for percent in (50, 90)
        },
    }
    Path(os.environ["COUNTED"]).write_text(json.dumps(counted), encoding="utf-8")
