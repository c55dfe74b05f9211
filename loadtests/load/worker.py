"""One of several processes that make a load: a worker of Locust's, whose master is the generator.

    python -m loadtests.load.worker HOST PORT

It says `here`, and is given its number and the generator's `plan`; then it is `ready`. The
master's message `step` has this process's part of a step; when it is up this one says `prepared`,
and with `window` hears when all of them begin and end to count. It answers with `counted`, or
with `failed` where a step cannot be measured. `time` asks for that of its clock. With `over`, or
when it has not heard the master for SILENT_S, it ends; a `stranger`, of another version, at once.
"""

from __future__ import annotations

import gc
import logging
import os
import platform
import sys
from time import perf_counter, process_time
from typing import Any
from urllib.parse import urlsplit

import gevent
import psutil
from gevent.event import AsyncResult
from locust import runners
from locust.env import Environment

from loadtests.load import base
from loadtests.load.base import StepFailed
from loadtests.load.crew import version
from loadtests.load.http_load import HttpLoad
from loadtests.load.users import OF_THE_BACKEND, DelayUser, RawHttpUser
from loadtests.runtime import STRANGER

SILENT_S = 10  # a load whose master is gone goes on for so long, and no longer
OF_A_MACHINE = ("127.0.0.1", "0.0.0.0", "localhost", "::1")  # to each machine it is itself


class Worker:
    """Users of this process, and what they counted."""

    def __init__(self, master: str, port: int) -> None:
        self.master = master
        self.load: HttpLoad
        self.step: dict[str, Any] = {}
        self.began = 0.0
        self.times: AsyncResult = AsyncResult()
        runners.MASTER_HEARTBEAT_TIMEOUT = SILENT_S  # Locust's own is a minute
        self.runner = Environment().create_worker_runner(master, port)
        self.runner.register_message("plan", self.take, concurrent=True)
        self.runner.register_message("step", self.measure, concurrent=True)
        self.runner.register_message("window", self.count_between)
        self.runner.register_message("time", self.tell_time)
        self.runner.register_message("over", self.leave, concurrent=True)
        self.runner.register_message("stranger", self.leave_as_a_stranger)
        here = {"host": platform.node(), "version": version()}
        self.runner.send_message("here", here)

    def take(self, environment: Environment, msg: Any) -> None:
        """Be this part of the plan's load; without a profile it is asked only who is there."""
        plan = msg.data
        if "profile" in plan:
            self.load = self.part(plan)
            base.tidy()
        self.runner.send_message("ready", {})

    def part(self, plan: dict[str, Any]) -> HttpLoad:
        """This process's load."""
        for name in ("host", "backend"):
            plan[name] = seen_from_here(plan[name], self.master)
        if plan["cpus"]:
            psutil.Process().cpu_affinity(plan["cpus"])
        RawHttpUser.process, RawHttpUser.processes = plan["process"], plan["processes"]
        if plan.get("straight"):
            DelayUser.route = OF_THE_BACKEND
        load = base.load(plan)
        assert isinstance(load, HttpLoad), "of another kind no process has a part"
        return load

    def tell_time(self, environment: Environment, msg: Any) -> None:
        """Say what this machine's clock shows, and which question that answers."""
        self.runner.send_message("time", {"sent": msg.data["sent"], "there": perf_counter()})

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
        """Hear when the window opens and closes, on the clock of this machine."""
        self.times.set((msg.data["opens"], msg.data["closes"]))

    def leave(self, environment: Environment, msg: Any) -> None:
        """There is nothing more to do for this master."""
        self.runner.quit()

    def leave_as_a_stranger(self, environment: Environment, msg: Any) -> None:
        """The master would not understand what this one counts."""
        os._exit(STRANGER)

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


def seen_from_here(url: str, master: str) -> str:
    """The URL of what listens on the master's machine, where it has no other name for it."""
    parts = urlsplit(url)
    if parts.hostname not in OF_A_MACHINE:
        return url
    host = f"[{master}]" if ":" in master else master
    return f"{parts.scheme}://{host}:{parts.port}"


def main() -> None:
    """Run until the master says that it is over, or is gone."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    master, port = sys.argv[1:]
    Worker(master, int(port)).runner.greenlet.join()


if __name__ == "__main__":
    main()
