"""Figures of each service, from every process that makes load to the one with the web UI.

They go once a second as a message of Locust's own; where there is one process, to itself.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from typing import Any

import gevent
from locust.env import Environment
from locust.exception import RPCError
from locust.rpc import Message
from locust.runners import STATE_MISSING, MasterRunner

from loadtests.live.figures import Tally
from loadtests.live.users import Kinds

MESSAGE = "figures"  # its type, to Locust
EVERY_S = 1.0
SAMPLES = 10  # of what is in flight, in each report
LEAVE_S = 10.0  # a worker that has answered its last request has this long to say so


def send(environment: Environment, kinds: Kinds) -> None:
    """Count this process's requests, and report them every second until it ends."""
    tally = Tally()
    environment.events.request.add_listener(tally.count)  # type: ignore[no-untyped-call]
    gevent.spawn(_report_for_ever, environment, kinds, tally)


def _report_for_ever(environment: Environment, kinds: Kinds, tally: Tally) -> None:
    runner, begun = environment.runner, time.perf_counter()
    assert runner is not None
    while True:
        sums: Counter[str] = Counter()
        for _ in range(SAMPLES):
            gevent.sleep(EVERY_S / SAMPLES)
            waiting = {name: kind.counts.in_flight for name, kind in kinds.items()}
            sums.update({name: requests for name, requests in waiting.items() if requests})
        now = time.perf_counter()
        in_flight = {name: total / SAMPLES for name, total in sums.items()}
        users = runner.user_classes_count
        report: dict[str, Any] = dict(tally.take(now - begun, users, in_flight))
        begun = now
        with contextlib.suppress(RPCError):  # the process with the web UI is away for a moment
            runner.send_message(MESSAGE, report)


def wait_for_last(environment: Environment) -> None:
    """Wait until each worker has sent its last counts and left, where the test ends with Locust.

    Locust waits half a second, its users' last requests included, and then says fewer than were.
    """
    runner = environment.runner
    options = environment.parsed_options
    if not (isinstance(runner, MasterRunner) and options and options.headless):
        return
    for worker in runner.clients.all:
        runner.server.send_to_client(Message("quit", None, worker.id))  # type: ignore[no-untyped-call]
    with gevent.Timeout(environment.stop_timeout + LEAVE_S, False):
        while any(worker.state != STATE_MISSING for worker in runner.clients.all):
            gevent.sleep(0.05)
