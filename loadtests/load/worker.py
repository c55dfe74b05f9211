"""One of several processes that make a load: a worker of Locust's, whose master is the generator.

    python -m loadtests.load.worker '{"process": 0, "processes": 2, "port": 5557, …}'

The plan is the generator's. The master's message `step` has this process's part of a step; when
it is up this one says `prepared`, and with `window` hears when all of them begin and end to
count. It answers with `counted`, or with `failed` where a step cannot be measured.
"""

from __future__ import annotations

import gc
import json
import logging
import os
import sys
from time import perf_counter, process_time
from typing import Any

import gevent
import psutil
from gevent.event import AsyncResult
from locust.env import Environment

from loadtests.load import base
from loadtests.load.base import StepFailed
from loadtests.load.http_load import HttpLoad
from loadtests.load.users import OF_THE_BACKEND, DelayUser, RawHttpUser

HOST = "127.0.0.1"


class Worker:
    """Users of this process, and what they counted."""

    def __init__(self, plan: dict[str, Any]) -> None:
        RawHttpUser.process, RawHttpUser.processes = plan["process"], plan["processes"]
        if plan.get("straight"):
            DelayUser.route = OF_THE_BACKEND
        load = base.load(plan)
        assert isinstance(load, HttpLoad), "of another kind no process has a part"
        self.load = load
        self.step: dict[str, Any] = {}
        self.began = 0.0
        self.times: AsyncResult = AsyncResult()
        base.tidy()
        self.runner = Environment().create_worker_runner(HOST, plan["port"])
        self.runner.register_message("step", self.measure, concurrent=True)
        self.runner.register_message("window", self.count_between)
        self.runner.send_message("here", {"process": plan["process"]})

    def measure(self, environment: Environment, msg: Any) -> None:
        """Measure a step, and tell the master; where there is a fault this process ends."""
        self.step, self.began = msg.data, perf_counter()
        try:
            self.runner.send_message("counted", self.load.measure(self.step, self.window))
        except StepFailed as error:
            self.runner.send_message("failed", {"reason": str(error)})
        except Exception:
            logging.exception("a step was not measured")
            os._exit(1)  # the master sees that, and nothing else would end Locust's greenlets

    def count_between(self, environment: Environment, msg: Any) -> None:
        """Hear when the window opens and closes, on the clock that all processes have."""
        self.times.set((msg.data["opens"], msg.data["closes"]))

    def window(self) -> dict[str, Any]:
        """Count in the window of all processes; whether all users are a herd the master says."""
        self.load.herd = ""
        self.times = AsyncResult()
        began = [user.began for user in self.load.users() if user.began > self.began]
        spread_s = self.load.spread_s(self.step)
        self.runner.send_message("prepared", {"began": began, "spread_s": spread_s})
        opens, closes = self.times.get()
        gevent.sleep(max(0.0, opens - perf_counter()))

        self.load.begin()
        used_s, opened = process_time(), perf_counter()
        gc.disable()
        try:
            self.load.run(closes - opened)
        finally:
            gc.enable()
        used_s, closed = process_time() - used_s, perf_counter()
        samples = list(self.load.in_flight)
        own = {"opened": opened, "closed": closed, "cpu_s": used_s, "samples": samples}
        return {**self.load.end(), **own}


def main() -> None:
    """Run until the master says that it is over, or ends."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    plan = json.loads(sys.argv[1])
    if plan["cpus"]:
        psutil.Process().cpu_affinity(plan["cpus"])
    Worker(plan).runner.greenlet.join()


if __name__ == "__main__":
    main()
