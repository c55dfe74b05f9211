"""Locust's users of the web UI: a class for each service, so that Locust spreads them evenly."""

from __future__ import annotations

import logging
import random
from argparse import ArgumentTypeError
from contextlib import suppress
from typing import Any

from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from loadtests.load import users
from loadtests.load.address import address
from loadtests.load.open_user import ARRIVALS, OpenUser, valid_rate

IN_TURN = 10  # so many delays a request may wait, in a service with fewer slots than users


class ServiceUser(users.DelayUser, OpenUser):
    """Closed, or open where there is a rate. Without a service it loads Locust's `--host`.

    It sends nothing where that is none.
    """

    service = ""
    url = ""

    def on_start(self) -> None:
        self.host = self.url or self.host  # Locust writes the form's host over the class's
        if wrong(self.host):
            raise StopUser
        super().on_start()

    @classmethod
    def label(cls) -> str:
        return f"{cls.service} {super().label()}".strip()


def wrong(host: str | None) -> str:
    """A line for a host that is none; empty where it is one."""
    try:
        address(host or "")
    except ValueError as error:
        return f"--host: {error}"
    return ""


Kinds = dict[str, type[ServiceUser]]


def kinds(targets: str) -> Kinds:
    """A class of users for each service of `name=url name=url …`, by the service's name.

    A name alone is that of a container of compose.yaml, or of a Service of deploy/.
    """
    found: Kinds = {}
    for text in targets.split():
        name, _, given = text.partition("=")
        url = given or f"http://{name}:8080"
        about: dict[str, Any] = {"service": name, "url": url, "host": url}
        found[name] = type(name, (ServiceUser,), {"__module__": __name__, **about})
    ServiceUser.abstract = bool(found)
    return found


def add_options(parser: LocustArgumentParser, services: list[str], last: dict[str, Any]) -> None:
    """Our own fields of the command line and of the form; `last` are the values used last."""
    if services:
        parser.add_argument(
            "--service",
            choices=services,
            nargs="+",
            default=last.get("service") or services[:1],
            is_multiple=True,
            help="to load, one or several",
        )
    parser.add_argument(
        "--delay",
        type=users.valid_delay,
        default=last.get("delay", "0.1"),
        help="of the backend, seconds",
    )
    parser.add_argument(
        "--rate",
        type=valid_rate,
        default=last.get("rate", ""),
        help="arrivals/s of each user; empty: each waits for its answer",
    )
    parser.add_argument(
        "--arrivals",
        choices=ARRIVALS,
        default=last.get("arrivals", ARRIVALS[0]),
        help="of a rate: at random, or evenly",
    )


def configure(environment: Environment) -> None:
    """Take over what the command line or the form says; so in every process, when a test starts."""
    options = environment.parsed_options
    assert options is not None
    ServiceUser.delay = options.delay
    with suppress(ValueError):  # from the form: the service says what is wrong with it
        ServiceUser.timeout_s = users.RawHttpUser.timeout_s + IN_TURN * float(options.delay)
    ServiceUser.arrivals = options.arrivals
    try:
        ServiceUser.rate_rps = float(valid_rate(options.rate) or 0) or None
    except ArgumentTypeError as error:  # from a form that nobody has checked
        logging.error("--rate %s: nothing is sent", error)
        ServiceUser.rate_rps = 0.0
    if not ServiceUser.abstract and (line := wrong(environment.host)):
        logging.error("%s: nothing is sent", line)
    _take_part(environment)


def _take_part(environment: Environment) -> None:
    """Share the load with the other processes: arrivals and ids are each process's own."""
    runner, options = environment.runner, environment.parsed_options
    assert options is not None
    if isinstance(runner, MasterRunner):
        options.load_processes = runner.worker_index_max  # goes to the workers with the options
    if isinstance(runner, WorkerRunner):
        ServiceUser.process = runner.worker_index
        ServiceUser.processes = options.load_processes
        ServiceUser.rng = random.Random()  # a process that was forked would draw what others draw
