"""The load for people: `locust -f loadtests/locustfile.py --host http://…` and the web UI.

All options of Locust work: `--headless -u 200 -r 200 -t 30s`, `--processes 4`,
`--master` and `--worker`. With `--rate 100` each user is a stream of 100
arrivals/s: `-u 4 --rate 100` is 400/s in all, however the users are spread.
TARGETS, `name=url name=url …`, gives the services that `--service`, and the web
UI's form, offer; a name alone is a host of that name, port 8080. BACKEND_URL
is the backend's address, for the web UI's page /live.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import gevent
from locust import events
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.runners import MasterRunner, WorkerRunner

# Locust puts the folder of this file on the path, and our package is above it.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from loadtests.live import locust_page, pages, reports, users
from loadtests.live.session import Session
from loadtests.live.users import ServiceUser  # noqa: F401 - Locust's only user without TARGETS

KINDS = users.kinds(os.environ.get("TARGETS", ""))
globals().update(KINDS)  # where Locust looks for users
last: dict[str, Any] = {}  # the values of our own options in the last test


@events.init_command_line_parser.add_listener  # type: ignore[untyped-decorator]
def add_options(parser: LocustArgumentParser) -> None:
    """Our own fields of the command line and of the form."""
    users.add_options(parser, list(KINDS), last)
    given, _ = parser.parse_known_args()  # before --processes: those would outlive an error
    without_form = not given.worker and (given.headless or given.autostart)
    if not KINDS and without_form and (error := users.wrong(given.host)):
        print(error, file=sys.stderr)
        sys.exit(2)


@events.init.add_listener  # type: ignore[untyped-decorator]
def extend(environment: Environment, **_: Any) -> None:
    """Choose the services, report figures every second, add our own pages to the web UI."""
    # gevent's clock stood still during the imports: a run time would end as much earlier.
    gevent.get_hub().loop.update_now()
    if not KINDS:
        return
    runner, web_ui = environment.runner, environment.web_ui
    if not isinstance(runner, MasterRunner):
        reports.send(environment, KINDS)
    if not isinstance(runner, WorkerRunner):  # which has to know all users
        session = Session(environment, KINDS, os.environ.get("BACKEND_URL", ""))
        if web_ui and web_ui.app:
            pages.add(web_ui.app, session)
            locust_page.extend(web_ui.app, session)


@events.test_start.add_listener  # type: ignore[untyped-decorator]
def configure(environment: Environment, **_: Any) -> None:
    """Take over what the command line or the form says, in every process."""
    users.configure(environment)
    last.update(vars(environment.parsed_options))


@events.test_stop.add_listener  # type: ignore[untyped-decorator]
def wait_for_last(environment: Environment, **_: Any) -> None:
    """Without the web UI: count what all workers have counted."""
    reports.wait_for_last(environment)
