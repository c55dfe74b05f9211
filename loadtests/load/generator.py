"""The bench's load generator: one service's turn, step by step.

    python -m loadtests.load.generator '{"host": "http://…", "backend": "http://…", "cpus": [1],
        "profile": {"kind": "delay", "delay_s": 0.1, "warmup_s": 1, "window_s": 3, …},
        "steps": [{"users": 10, …}, …]}'

First it checks that the service does what the contract says; where the plan is
`straight` there is none, the host is the backend, and its users ask that; where it has what is
`asked` of a service of the reader's own, that is what the service has to answer. Then, for each
step, it adds the users and connections that are missing, lets them warm up and
measures one window. It prints a JSON line when a window opens and one when it is
over, so that whoever started it can measure the service over the same time, and
one with what was counted; and one shortly before, for what takes longer to look at.
Where the plan has `processes`, so many others make the load, and this one tells them when; where
it has a `certificate`, as PEM, the host is `https://…` and must have that one.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import time
from typing import Any

import psutil

from loadtests.load import base, several
from loadtests.load.any_connection import AnyConnection
from loadtests.load.base import Load, StepFailed, say
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed, as_text
from loadtests.load.users import OF_THE_BACKEND, DelayUser, RawHttpUser
from loadtests.own import load as own_load
from loadtests.own.asked import Asked

# The keys that /info must hold, and those of it from which the ceiling is worked out.
LIMITS = ("workers", "slots", "client_pool")
INFO = {*LIMITS, "service", "concurrency", "backend_url", "backend_timeout_s", "versions"}
LONGEST_SPREAD_S = 2.0  # over which users begin, whatever a first answer takes
TRIES = 3
CHECKED = b'{"delay":0.01,"id":"check"}'


def main() -> None:
    """Run the plan given as the only argument."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    plan = json.loads(sys.argv[1])
    if plan["cpus"]:
        psutil.Process().cpu_affinity(plan["cpus"])
    if plan.get("asked"):
        RawHttpUser.asked = Asked.read(plan["asked"])
    with several.load(plan) as load:
        run(plan, load)


def run(plan: dict[str, Any], load: Load) -> None:
    """Check the host, and measure all steps of the plan."""
    try:
        info = checked(plan, load)
    except (RequestFailed, ValueError) as error:
        say({"event": "broken", "reason": str(error)})
        return
    base.tidy()
    say({"event": "ready", "info": info})
    generator = Generator(load, plan)
    for step in plan["steps"]:
        try:
            generator.measure(step)
        except StepFailed as error:
            say({"event": "failed", "reason": str(error), "duration_s": 0.0})


def checked(plan: dict[str, Any], load: Load) -> dict[str, Any]:
    """The answer of `/info`, or what stands for it, of a host that does what it should.

    Raises RequestFailed, or ValueError where an answer is not the right one.
    """
    if plan.get("straight"):
        return go_straight(plan["host"])
    return check_own(plan, load) if plan.get("asked") else check_service(plan["host"], load)


def check_own(plan: dict[str, Any], load: Load) -> dict[str, Any]:
    """Send what is asked of the reader's own service once; what is known of it. Raises as above."""
    asked = RawHttpUser.asked
    assert asked
    if plan["backend"]:
        answer_any(Connection(plan["backend"], timeout_s=10), plan, plan["steps"][0])
    service = AnyConnection(plan["host"], plan["profile"].get("timeout_s", 10), asked.method)
    message = asked.message(plan["host"].removeprefix("http://"))
    for _ in range(TRIES):  # one that fails now and then is measured, and its failures counted
        begun = time.perf_counter()
        status, body = service.exchange(message)
        first_s = time.perf_counter() - begun
        if not (wrong := asked.wrong(status, body)):
            break
        service.close()  # which the server may do as well, after a failure, without saying so
    else:
        raise ValueError(f"{asked} was answered with {wrong}: {as_text(body)}")
    service.close()
    if isinstance(load, own_load.Load):
        load.spread(min(first_s, LONGEST_SPREAD_S))
    return {**plan["info"], "first_ms": round(1000 * first_s, 1), "bytes": len(body)}


def answer_any(backend: Connection, plan: dict[str, Any], step: dict[str, Any]) -> None:
    """Have the backend answer calls of any path after the delay of a step."""
    delay_s = step["delay_s"] if step.get("delay_s") is not None else plan["profile"]["delay_s"]
    asked = f"POST /any/{delay_s:g}/{plan['upstream_bytes']}"
    if base.ask_backend(backend, asked.encode()) != b'{"status":"ok"}':
        raise ValueError(f"the backend does not answer any path: {asked}")


def check_service(host: str, load: Load) -> dict[str, Any]:
    """Ask for the contract's main route and what `load` needs, return what `/info` says.

    Raises as above.
    """
    service = Connection(host, timeout_s=10)
    base.expect(service, "/?delay=0.01", CHECKED)
    load.check(service)
    status, body = service.exchange(b"GET /info HTTP/1.1\r\nHost: check\r\n\r\n")
    info = json.loads(body) if status == 200 else None
    if not isinstance(info, dict) or not info.keys() >= INFO:
        raise ValueError(f"GET /info was answered with {status} {as_text(body)}")
    service.close()
    for name in LIMITS:
        if type(info[name]) is not int or info[name] < 1:
            raise ValueError(f"{name} in /info must be 1 or more, not {info[name]!r}")
    return info


def go_straight(backend: str) -> dict[str, Any]:
    """Have the users ask the backend itself, which has no `/info`; raises as above."""
    base.expect(Connection(backend, timeout_s=10), "/delay/0.01", CHECKED)
    DelayUser.route = OF_THE_BACKEND
    return {}


class Generator:
    """Measures windows of a load, and the backend and its own CPU beside it."""

    def __init__(self, load: Load, plan: dict[str, Any]) -> None:
        self.load = load
        self.plan = plan
        self.backend = Connection(plan["backend"], timeout_s=10) if plan["backend"] else None

    def measure(self, step: dict[str, Any]) -> None:
        """Have the load measure a step, print what it says; StepFailed where it cannot."""
        scenario = step["scenario"]
        if self.plan.get("asked") and self.backend:
            answer_any(self.backend, self.plan, step)
        window = self.load.measure(step, lambda: self.window(scenario))
        say({"event": "close", "scenario": scenario, **window})

    def window(self, scenario: str) -> dict[str, Any]:
        """Measure one window of what is up."""
        say({"event": "opening", "scenario": scenario})
        self.load.opening()

        asked = time.perf_counter()
        if self.backend:
            backend = base.backend_stats(self.backend)
            base.ask_backend(self.backend, b"POST /reset")
        self.load.begin()
        used_s = time.process_time()
        opened = time.perf_counter()
        say({"event": "open", "scenario": scenario})

        # A look for garbage at thousands of callers holds up for 100 ms what is due meanwhile.
        gc.disable()
        try:
            self.load.run(self.plan["profile"]["window_s"])
        finally:
            gc.enable()

        # Before the counts are made up: that takes a while, in which calls would go on.
        after = self.stats_after()
        between_s = time.perf_counter() - asked
        duration_s = time.perf_counter() - opened
        say({"event": "over", "scenario": scenario})
        used_s = time.process_time() - used_s
        window: dict[str, Any] = {
            "duration_s": round(duration_s, 4),
            "generator_cpu": round(used_s / duration_s, 3),
            **self.load.end(),
        }
        if not after:
            return window
        window["backend_calls"] = after["calls"]
        backend_s = max(0.0, after["cpu_s"] - backend["cpu_s"])  # a new process begins at 0
        window["backend_cpu"] = round(backend_s / between_s, 3)
        if after["answered"]:
            window["backend_late_p50_ms"] = after["late_ms_p50"]
            window["backend_late_p99_ms"] = after["late_ms_p99"]
        return window

    def stats_after(self) -> dict[str, Any]:
        """The backend's counters at a window's end; empty where there is no backend."""
        if not self.backend:
            return {}
        try:
            return base.backend_stats(self.backend)
        except RequestFailed:  # a fault made it another process: ask on a new connection
            return base.backend_stats(self.backend)


if __name__ == "__main__":
    main()
