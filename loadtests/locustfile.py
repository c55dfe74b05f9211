"""The load for people: `locust -f loadtests/locustfile.py --host http://…` and the web UI.

All options of Locust work: `--headless -u 200 -r 200 -t 30s`, `--processes 4`,
`--master` and `--worker`. TARGETS, `name=url name=url …`, gives the services
that `--service`, and the web UI's form, offer.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

# Locust puts the folder of this file on the path, and our package is above it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loadtests.users import DelayUser, valid_delay

TARGETS = dict(target.split("=", 1) for target in os.environ.get("TARGETS", "").split())


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    """Our own fields of the command line and of the form."""
    if TARGETS:
        names = list(TARGETS)
        parser.add_argument("--service", choices=names, default=names[0], help="what to load")
    parser.add_argument("--delay", type=valid_delay, default="0.1", help="of the backend, seconds")


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def choose_target(environment: Environment, **_: Any) -> None:
    """Take over what the command line or the form says, in every process."""
    options = environment.parsed_options
    assert options is not None
    DelayUser.delay = options.delay
    if TARGETS:
        environment.host = DelayUser.host = TARGETS[options.service]
