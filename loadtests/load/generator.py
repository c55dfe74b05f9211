"""The bench's load generator: one service's turn, step by step.

    python -m loadtests.load.generator '{"host": "http://…", "backend": "http://…", "cpus": [1],
        "profile": {"kind": "delay", "delay_s": 0.1, "warmup_s": 1, "window_s": 3, …},
        "steps": [{"users": 10, …}, …]}'

First it checks that the service does what the contract says. Then, for each
step, it adds the users and connections that are missing, lets them warm up and
measures one window. It prints a JSON line when a window opens and one when it is
over, so that whoever started it can measure the service over the same time, and
one with what was counted.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import time
from typing import Any

import psutil

from loadtests.load import workloads
from loadtests.load.connection import Connection, RequestFailed
from loadtests.load.workloads import Load, StepFailed

# What /info must hold, and those of it from which the ceiling is worked out.
LIMITS = ("workers", "slots", "client_pool")
INFO = {*LIMITS, "service", "concurrency", "backend_url", "backend_timeout_s", "versions"}


def main() -> None:
    """Run the plan given as the only argument."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    plan = json.loads(sys.argv[1])
    if plan["cpus"]:
        psutil.Process().cpu_affinity(plan["cpus"])
    load = workloads.load(plan)
    try:
        info = check_service(plan["host"], load)
    except (RequestFailed, ValueError) as error:
        say({"event": "broken", "reason": str(error)})
        return
    gc.collect()
    gc.freeze()  # else the first window's look at all of Locust would hold up what is due
    say({"event": "ready", "info": info})
    generator = Generator(load, plan)
    for step in plan["steps"]:
        try:
            generator.measure(step)
        except StepFailed as error:
            say({"event": "failed", "reason": str(error), "duration_s": 0.0})


def check_service(host: str, load: Load) -> dict[str, Any]:
    """Ask for the contract's main route and what `load` needs, return what `/info` says.

    Raises RequestFailed, or ValueError where an answer is not the right one.
    """
    service = Connection(host, timeout_s=10)
    workloads.expect(service, "/?delay=0.01", b'{"delay":0.01,"id":"check"}')
    load.check(service)
    status, body = service.exchange(b"GET /info HTTP/1.1\r\nHost: check\r\n\r\n")
    info = json.loads(body) if status == 200 else None
    if not isinstance(info, dict) or not info.keys() >= INFO:
        raise ValueError(f"GET /info was answered with {status} {bytes(body[:200])!r}")
    service.close()
    for name in LIMITS:
        if type(info[name]) is not int or info[name] < 1:
            raise ValueError(f"{name} in /info must be 1 or more, not {info[name]!r}")
    return info


class Generator:
    """Measures windows of a load, and the backend and its own core beside it."""

    def __init__(self, load: Load, plan: dict[str, Any]) -> None:
        self.load = load
        self.plan = plan
        self.backend = Connection(plan["backend"], timeout_s=10)

    def measure(self, step: dict[str, Any]) -> None:
        """Have the load measure a step, print what it says; StepFailed where it cannot."""
        scenario = step["scenario"]
        window = self.load.measure(step, lambda: self.window(scenario))
        say({"event": "close", "scenario": scenario, **window})

    def window(self, scenario: str) -> dict[str, Any]:
        """Measure one window of what is up."""
        gc.collect()
        gc.freeze()

        asked, backend = time.perf_counter(), self.backend_stats()
        busy = self.busy_s()
        self.load.begin()
        opened = time.perf_counter()
        say({"event": "open", "scenario": scenario})

        self.load.run(self.plan["profile"]["window_s"])

        duration_s = time.perf_counter() - opened
        say({"event": "over", "scenario": scenario})
        busy = self.busy_s() - busy
        window: dict[str, Any] = {
            "duration_s": round(duration_s, 4),
            "generator_cpu": round(busy / duration_s, 3),
            **self.load.end(),
        }
        between_s, after = time.perf_counter() - asked, self.backend_stats()
        window["backend_calls"] = after["calls"] - backend["calls"]
        window["backend_cpu"] = round((after["cpu_s"] - backend["cpu_s"]) / between_s, 3)
        return window

    def backend_stats(self) -> dict[str, Any]:
        """What the backend has counted so far: `calls` received, `cpu_s` spent, and more."""
        request = b"GET /stats HTTP/1.1\r\nHost: check\r\n\r\n"
        stats: dict[str, Any] = json.loads(self.backend.exchange(request)[1])
        return stats

    def busy_s(self) -> float:
        """CPU time spent so far on the generator's core, or by the generator if it has none."""
        if not self.plan["cpus"]:
            return time.process_time()
        per_cpu = psutil.cpu_times(percpu=True)
        times = [per_cpu[cpu] for cpu in self.plan["cpus"]]
        busy = [sum(cpu) - cpu.idle - getattr(cpu, "iowait", 0.0) for cpu in times]
        return float(sum(busy)) / len(busy)


def say(event: dict[str, Any]) -> None:
    """Print one line for whoever started us."""
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
