"""A load that several processes make together: this one is Locust's master, they are its workers.

The messages are told in `worker.py`. A worker that ends, or does not answer, makes the step
that is measured fail; the next one begins with new ones.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

import gevent
from locust.env import Environment

from loadtests.load import base, dealing
from loadtests.load.base import Load, StepFailed
from loadtests.load.connection import Connection
from loadtests.load.http_load import herd
from loadtests.load.worker import HOST
from loadtests.runtime.process import leashed

LOOK_S = 0.02  # how soon a worker that ended is noticed
# A worker that says nothing for so long is no worker any more: beyond what a step takes.
SILENT_S = 30.0
LONG = 20  # times the mean delay, of which those that are drawn may be many times as long
LEAD_S = 0.1  # from saying when a window opens until it does: the workers' core may be busy
Said = dict[int, dict[str, Any]]  # by the number of the process


@contextmanager
def load(plan: dict[str, Any]) -> Iterator[Load]:
    """The load of a plan, made by as many processes as it says; none is left at the end."""
    if plan.get("processes", 1) == 1:
        yield base.load(plan)
        return
    several = SeveralLoads(plan)
    try:
        yield several
    finally:
        several.stop()


class SeveralLoads(Load):
    """The part of a load that is made by this process: to say what the others do."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.plan = plan
        self.processes: int = plan["processes"]
        self.checking = base.load(plan)
        self.step: dict[str, Any] = {}
        self.opens = self.used_s = 0.0
        self.workers: list[subprocess.Popen[bytes]] = []
        self.numbers: dict[str, int] = {}  # by Locust's name of a worker
        self.said: dict[str, Said] = {}
        self.runner = Environment().create_master_runner(HOST, 0)
        self.runner.register_message("here", self._here)
        for kind in ("prepared", "counted", "failed"):
            self.runner.register_message(kind, self._hear)

    def check(self, service: Connection) -> None:
        """As one process does."""
        self.checking.check(service)

    def measure(self, step: dict[str, Any], window: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        """Have all bring up their part, and count in the same window."""
        try:
            return super().measure(step, window)
        except StepFailed:
            self.stop()  # what the others have in flight, and their users, belong to this step
            raise

    def prepare(self, step: dict[str, Any]) -> None:
        """Have all bring up and warm up their part of a step."""
        if not self.workers:
            self._start()
        self.step, self.said = step, {"prepared": {}, "counted": {}, "failed": {}}
        for name, number in self.numbers.items():
            self.runner.send_message("step", dealing.dealt(step, number, self.processes), name)
        profile = self.plan["profile"]
        delay_s = max(step["delay_s"] or 0.0, profile.get("delay_s", 0.0))
        self._await("prepared", SILENT_S + profile["warmup_s"] + LONG * delay_s)

    def opening(self) -> None:
        """Say when the window opens, and come back shortly before that."""
        self.opens = perf_counter() + LEAD_S
        closes = self.opens + self.plan["profile"]["window_s"]
        self.runner.send_message("window", {"opens": self.opens, "closes": closes})
        gevent.sleep(self.opens - perf_counter())

    def begin(self) -> None:
        """The window of all has opened."""
        self.used_s = process_time()

    def run(self, window_s: float) -> None:
        """See that all workers are there until the window is over."""
        closes = self.opens + window_s
        while (left_s := closes - perf_counter()) > 0:
            gevent.sleep(min(LOOK_S, left_s))
            self._see_workers()
        self.used_s = process_time() - self.used_s

    def end(self) -> dict[str, Any]:
        """The counts of all of them."""
        self._await("counted", SILENT_S)
        windows = [self.said["counted"][number] for number in range(self.processes)]
        durations_s = [window["closed"] - window["opened"] for window in windows]
        duration_s = sum(durations_s) / len(durations_s)
        used = [
            {
                "process": number,
                "core": self._core(number),
                "requests": window["requests"],
                "cpu": round(window["cpu_s"] / own_s, 3),
            }
            for number, (window, own_s) in enumerate(zip(windows, durations_s, strict=True))
        ]
        master = {"core": self._core(0), "cpu": self.used_s / duration_s}
        found = dealing.merged(windows)
        if "growth_rps" in windows[0]:
            samples = [window["samples"] for window in windows]
            found["growth_rps"] = dealing.growth_rps(samples, self.step["rate_rps"])
        found["problems"] += filter(None, [self._herd(), dealing.apart(windows)])
        return {
            **found,
            "duration_s": round(duration_s, 4),
            "generator_cpu": dealing.busiest([*used, master]),
            "generator_processes": used,
        }

    def stop(self) -> None:
        """End all workers."""
        for worker in self.workers:
            worker.kill()
            worker.wait()
        self.workers, self.numbers = [], {}

    def _start(self) -> None:
        for number in range(self.processes):
            core = self._core(number)
            plan = self.plan | {
                "process": number,
                "port": self.runner.server.port,
                "cpus": [] if core is None else [core],
                "seed": dealing.seed(self.plan.get("seed", ""), number),
            }
            command = leashed(sys.executable, "-m", "loadtests.load.worker", json.dumps(plan))
            self.workers.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        give_up = perf_counter() + SILENT_S
        while len(self.numbers) < self.processes:
            self._wait(give_up)

    def _core(self, number: int) -> int | None:
        """The core of a process: of its own, where the load has as many."""
        cpus = self.plan["cpus"]
        return cpus[number % len(cpus)] if cpus else None

    def _herd(self) -> str:
        said = [self.said["prepared"][number] for number in range(self.processes)]
        began = [instant for one in said for instant in one["began"]]
        return herd(began, said[0]["spread_s"])

    def _await(self, kind: str, limit_s: float) -> None:
        """Come back when all have said it; StepFailed where one cannot, or does not."""
        give_up = perf_counter() + limit_s
        while len(self.said[kind]) < self.processes:
            self._wait(give_up)

    def _wait(self, give_up: float) -> None:
        self._see_workers()
        if perf_counter() > give_up:
            raise StepFailed("a process of the load did not answer")
        gevent.sleep(LOOK_S)

    def _see_workers(self) -> None:
        """StepFailed where one has ended, or says that it cannot measure the step."""
        for number, worker in enumerate(self.workers):
            if worker.poll() is not None:
                raise StepFailed(
                    f"process {number + 1} of the {self.processes} that make the load "
                    f"ended with {worker.returncode}"
                )
        for failed in self.said.get("failed", {}).values():
            raise StepFailed(failed["reason"])

    def _here(self, environment: Environment, msg: Any) -> None:
        self.numbers[msg.node_id] = msg.data["process"]

    def _hear(self, environment: Environment, msg: Any) -> None:
        if msg.node_id in self.numbers:  # and not of a worker that was ended
            self.said[msg.type][self.numbers[msg.node_id]] = msg.data
