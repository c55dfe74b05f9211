"""The load for people: `locust -f loadtests/locustfile.py --host http://…` and the web UI.

All options of Locust work: `--headless -u 200 -r 200 -t 30s`, `--processes 4`,
`--master` and `--worker`. TARGETS, `name=url name=url …`, gives the services
that `--service`, and the web UI's form, offer.
"""

from __future__ import annotations

import os
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

from loadtests.users import DelayUser, valid_delay

TARGETS = dict(target.split("=", 1) for target in os.environ.get("TARGETS", "").split())


class BenchUser(DelayUser):
    """Asks the chosen service to wait for the backend, again and again."""


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """The form's own fields."""
    if TARGETS:
        parser.add_argument("--service", choices=list(TARGETS), default=next(iter(TARGETS)))
    parser.add_argument("--delay", type=str, default="0.1", help="seconds the backend takes")


@events.test_start.add_listener
def choose_target(environment: Environment, **_: Any) -> None:
    """Take over what the command line or the form says, in every process."""
    options = environment.parsed_options
    BenchUser.delay = valid_delay(options.delay)
    if TARGETS:
        environment.host = BenchUser.host = TARGETS[options.service]
