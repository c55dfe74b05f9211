"""Locust's users of the web UI: a class for each service, so that Locust spreads them evenly."""

from __future__ import annotations

import logging
import random
from argparse import ArgumentTypeError
from itertools import repeat
from typing import Any, ClassVar

from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from locust.exception import StopUser
from locust.runners import MasterRunner, WorkerRunner

from loadtests.load import users
from loadtests.load.address import address
from loadtests.load.drawn_user import DrawnUser
from loadtests.load.open_user import ARRIVALS, valid_rate
from loadtests.workloads import delays
from loadtests.workloads.delays import Delays
from services import contract

# Examples of delays that are drawn, and what their numbers are.
DRAWN = {
    "lognormal 0.1 1": "mean and sigma",
    "bimodal 0.05 3 0.01": "most, the others, and the share of those",
}
SEED = "live"
IN_TURN = 10  # so many delays a request may wait, in a service with fewer slots than users


class ServiceUser(DrawnUser):
    """Closed, or open where there is a rate. Without a service it loads Locust's `--host`.

    It sends nothing where that is none. `delay` is a number, or names delays that are drawn.
    """

    service = ""
    url = ""
    delays: ClassVar[Delays | None] = None  # those of `delay`; None where it is wrong

    def on_start(self) -> None:
        self.host = self.url or self.host  # Locust writes the form's host over the class's
        if wrong(self.host) or self.delays is None:
            raise StopUser
        super().on_start()

    @classmethod
    def label(cls) -> str:
        return f"{cls.service} {cls.route.decode()}{cls.delay}".strip()

    @classmethod
    def mean_s(cls) -> float:
        return cls.delays.mean_s if cls.delays else 0.0

    @classmethod
    def begin_delays(cls) -> None:
        """Have the next request take the first of the delays, which are the same in each class."""
        if is_number(cls.delay):
            cls.drawn = repeat(cls.delay.encode())
        elif cls.delays:
            cls.drawn = cls.own(cls.delays.drawn(SEED))


def is_number(text: str) -> bool:
    """Whether a text says one delay, or what was meant to be one."""
    return text.partition(" ")[0] not in delays.MADE


def delays_of(text: str) -> Delays:
    """The delays that a text names, a number or a form with its own; else ArgumentTypeError."""
    if is_number(text):
        try:
            return delays.constant(float(contract.checked_delay(text)))
        except contract.Problem:
            needed = f"a number from 0 to 60, such as 0.1, or {' or '.join(DRAWN)}"
            raise ArgumentTypeError(f"must be {needed}, not {text!r}") from None
    if mistake := delays.mistake(text):
        raise ArgumentTypeError(f"is wrong: {mistake}")
    return delays.parse(text)


def valid_delay(text: str) -> str:
    """`text` if it names delays; else ArgumentTypeError."""
    delays_of(text)
    return text


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
        type=valid_delay,
        default=last.get("delay", "0.1"),
        help=f"of the backend, seconds; or, drawn, such as {' or '.join(DRAWN)}",
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
    ServiceUser.delay, ServiceUser.delays = options.delay, None
    try:
        ServiceUser.delays = delays_of(options.delay)
    except ArgumentTypeError as error:  # from a form that nobody has checked
        logging.error("--delay %s: nothing is sent", error)
    ServiceUser.timeout_s = users.RawHttpUser.timeout_s + IN_TURN * ServiceUser.mean_s()
    ServiceUser.arrivals = options.arrivals
    try:
        ServiceUser.rate_rps = float(valid_rate(options.rate) or 0) or None
    except ArgumentTypeError as error:
        logging.error("--rate %s: nothing is sent", error)
        ServiceUser.rate_rps = 0.0
    if not ServiceUser.abstract and (line := wrong(environment.host)):
        logging.error("%s: nothing is sent", line)
    _take_part(environment)
    ServiceUser.begin_delays()
    for kind in ServiceUser.__subclasses__():
        kind.begin_delays()


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
