"""The load for people: `locust -f loadtests/locustfile.py --host http://…` and the web UI.

All options of Locust work: `--headless -u 200 -r 200 -t 30s`, `--processes 4`,
`--master` and `--worker`. With `--rate 100` each user is a stream of 100
arrivals/s: `-u 4 --rate 100` is 400/s in all, however the users are spread.
TARGETS, `name=url name=url …`, gives the services that `--service`, and the web
UI's form, offer; a name alone is that of a container of compose.yaml.
"""

from __future__ import annotations

import logging
import os
import sys
from argparse import ArgumentTypeError
from pathlib import Path
from typing import Any

from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment

# Locust puts the folder of this file on the path, and our package is above it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loadtests.load import users
from loadtests.load.open import ARRIVALS, OpenUser, valid_rate

TARGETS = {
    name: url or f"http://{name}:8080"
    for name, _, url in (text.partition("=") for text in os.environ.get("TARGETS", "").split())
}


class ServiceUser(users.DelayUser, OpenUser):
    """Closed, or open where there is a rate."""


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    """Our own fields of the command line and of the form."""
    if TARGETS:
        names = list(TARGETS)
        parser.add_argument("--service", choices=names, default=names[0], help="what to load")
    parser.add_argument(
        "--delay", type=users.valid_delay, default="0.1", help="of the backend, seconds"
    )
    parser.add_argument(
        "--rate",
        type=valid_rate,
        default="",
        help="arrivals/s of each user whatever the answers do, 400/s in all for 4 users at 100; "
        "empty or 0: each user waits for its answer before it sends again",
    )
    parser.add_argument(
        "--arrivals", choices=ARRIVALS, default=ARRIVALS[0], help="evenly, or at random"
    )


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def choose_target(environment: Environment, **_: Any) -> None:
    """Take over what the command line or the form says, in every process."""
    options = environment.parsed_options
    assert options is not None
    ServiceUser.delay = options.delay
    ServiceUser.arrivals = options.arrivals
    try:
        ServiceUser.rate_rps = float(valid_rate(options.rate) or 0) or None
    except ArgumentTypeError as error:  # from the web UI's form
        logging.error("--rate %s: nothing is sent", error)
        ServiceUser.rate_rps = 0.0
    if TARGETS:
        environment.host = ServiceUser.host = TARGETS[options.service]
