"""The workers of a load that several processes make: Locust's, of which this one is the master.

They are processes that the master starts on its own machine, or those of other machines, which
`waits load` starts there and which connect to the master's port. Either kind says `here`, is given
its number and the `plan`, and says `ready`. One from another machine is also asked for its clock.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import gevent
from locust.env import Environment
from locust.runners import STATE_MISSING

from loadtests.load import clocks, dealing
from loadtests.load.base import StepFailed
from loadtests.load.clocks import Clock
from loadtests.runtime.process import leashed

HERE, EVERYWHERE = "127.0.0.1", "*"
LOOK_S = 0.02  # how soon a worker that ended is noticed
# A worker that says nothing for so long is no worker any more: beyond what a step takes.
SILENT_S = 30.0
QUESTIONS = 8  # for the time
LEAVE_S = 0.1  # until a last message is on its way


@cache
def version() -> str:
    """A digest of the harness: a master and its workers have to be of one."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


class Crew:
    """So many workers, and what each is known by: its number, counted from 0.

    `hear` is called with the number of a worker, the type and the data of what it says.
    """

    def __init__(
        self, plan: dict[str, Any], hear: Callable[[int, str, dict[str, Any]], None]
    ) -> None:
        self.plan = plan
        self.size: int = plan["processes"]
        self.is_elsewhere = "port" in plan
        self.numbers: dict[str, int] = {}  # by Locust's name of a worker
        self.hosts: dict[int, str] = {}  # and by its number the machine it says it is on,
        self.clocks: dict[int, list[Clock]] = {}  # and its clock, as each question found it
        self._ready: set[int] = set()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._is_open = False
        self._waiting: list[Any] = []  # what those have said that no number was left for
        self._hear = hear
        host = EVERYWHERE if self.is_elsewhere else HERE
        self.runner = Environment().create_master_runner(host, plan.get("port", 0))
        self.runner.register_message("here", self._welcome)
        self.runner.register_message("time", self._note_time)
        for kind in ("ready", "prepared", "counted", "failed"):
            self.runner.register_message(kind, self._note)

    def start(self, patience_s: float = SILENT_S) -> None:
        """Come back when all are ready; StepFailed where they are not within `patience_s`."""
        self._is_open = True
        came, self._waiting = self._waiting, []
        for msg in came if self.is_elsewhere else ():  # and not of processes that were ended
            if self._is_heard(msg.node_id):
                self._welcome(self.runner.environment, msg)
        if not self.is_elsewhere:
            port = str(self.runner.server.port)
            command = leashed(sys.executable, "-m", "loadtests.load.worker", HERE, port)
            for _ in range(self.size):
                self._processes.append(subprocess.Popen(command, stdin=subprocess.DEVNULL))
        give_up = perf_counter() + patience_s
        while len(self._ready) < self.size:
            if perf_counter() > give_up:
                raise StepFailed(self._missing(patience_s))
            self.wait()
        if self.is_elsewhere:
            self._ask_for_times()

    def stop(self) -> None:
        """End those of this machine; tell the others that it is over."""
        self._is_open = False
        for process in self._processes:
            process.kill()
            process.wait()
        if self.is_elsewhere:
            for name in self.numbers:
                self.runner.send_message("over", {}, name)
            gevent.sleep(LEAVE_S)
        self._processes, self.numbers = [], {}
        self._ready, self.hosts, self.clocks = set(), {}, {}

    def tell(self, kind: str, what: Callable[[int], dict[str, Any]]) -> None:
        """Send each worker a message of its own."""
        for name, number in self.numbers.items():
            self.runner.send_message(kind, what(number), name)

    def wait(self) -> None:
        """Let messages come in; StepFailed where a worker is gone."""
        self.see()
        gevent.sleep(LOOK_S)

    def see(self) -> None:
        """StepFailed where one has ended, or another machine's is not heard any more."""
        for process in self._processes:
            if process.poll() is not None:
                told = f"ended with {process.returncode}"
                raise StepFailed(f"one of the {self.size} processes that make the load {told}")
        for name, number in self.numbers.items() if self.is_elsewhere else ():
            if not self._is_heard(name):
                raise StepFailed(f"the worker on {self.hosts[number]} is not heard any more")

    def clock(self, number: int) -> Clock:
        """A worker's clock: on this machine it is the same."""
        return clocks.best(self.clocks[number]) if self.is_elsewhere else Clock()

    def core(self, number: int) -> int | None:
        """The core of a process: of its own, where the load has as many; None elsewhere."""
        cpus = [] if self.is_elsewhere else self.plan["cpus"]
        return cpus[number % len(cpus)] if cpus else None

    def described(self, number: int) -> dict[str, Any]:
        """Of a worker elsewhere its machine, and the round trip to it."""
        if not self.is_elsewhere:
            return {}
        round_trip_ms = round(1000 * self.clock(number).round_trip_s, 3)
        return {"host": self.hosts[number], "round_trip_ms": round_trip_ms}

    def _is_heard(self, name: str) -> bool:
        client = self.runner.clients.get(name)
        return client is not None and client.state != STATE_MISSING

    def _missing(self, patience_s: float) -> str:
        if not self.is_elsewhere:
            return "a process of the load did not answer"
        came = f"{len(self._ready)} of {self.size} workers came within {patience_s:g} s"
        return f"{came}: start them on other machines with make load MASTER=…, this one"

    def _ask_for_times(self) -> None:
        for _ in range(QUESTIONS):
            self.tell("time", lambda number: {"sent": perf_counter()})
            gevent.sleep(LOOK_S)
        give_up = perf_counter() + SILENT_S
        while len(self.clocks) < self.size:
            if perf_counter() > give_up:
                raise StepFailed("a worker did not say what time it is")
            self.wait()

    def _welcome(self, environment: Environment, msg: Any) -> None:
        """Give a worker its number and the plan, while there is need for one."""
        if msg.data["version"] != version():
            self.runner.send_message("stranger", {}, msg.node_id)
            return
        number = len(self.numbers)
        if not self._is_open or number == self.size:
            self._waiting.append(msg)
            return
        self.numbers[msg.node_id] = number
        self.hosts[number] = msg.data["host"]
        core = self.core(number)
        plan = self.plan | {
            "process": number,
            "cpus": [] if core is None else [core],
            "seed": dealing.seed(self.plan.get("seed", ""), number),
        }
        self.runner.send_message("plan", plan, msg.node_id)

    def _note_time(self, environment: Environment, msg: Any) -> None:
        heard = perf_counter()
        if (number := self.numbers.get(msg.node_id)) is not None:
            found = clocks.asked(msg.data["sent"], msg.data["there"], heard)
            self.clocks.setdefault(number, []).append(found)

    def _note(self, environment: Environment, msg: Any) -> None:
        number = self.numbers.get(msg.node_id)
        if number is None:  # of one that was ended
            return
        if msg.type == "ready":
            self._ready.add(number)
        else:
            self._hear(number, msg.type, msg.data)
