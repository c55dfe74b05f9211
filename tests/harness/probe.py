"""A second locustfile: writes the failures Locust counted to $FAILURES when it ends."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from locust import events
from locust.env import Environment


@events.quitting.add_listener
def write_failures(environment: Environment, **_: Any) -> None:
    """As `{message: how often}`; the CSV that Locust writes lags behind by a second."""
    errors = environment.stats.errors.values()
    counted = {str(error.error): error.occurrences for error in errors}
    Path(os.environ["FAILURES"]).write_text(json.dumps(counted))
