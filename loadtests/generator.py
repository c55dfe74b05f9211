"""The bench's load generator: Locust, stepped through the users of a scenario.

    python -m loadtests.generator '{"host": "http://…", "backend": "http://…",
        "users": [10, 200], "delay_s": 0.1, "warmup_s": 1, "window_s": 3, "cpus": [1]}'

First it checks that the service does what the contract says. Then, for each
number of users, it adds what is missing, lets them warm up and measures one
window. It prints a JSON line when a window opens and one when it closes, so
that whoever started it can measure the service over the same time.
"""

from __future__ import annotations

import gc
import json
import logging
import sys
import time
from collections import Counter
from typing import Any

import gevent
import psutil
from locust.env import Environment
from locust.runners import LocalRunner

from loadtests.connection import Connection, RequestFailed
from loadtests.users import DelayUser, RawHttpUser

# What /info must hold, and those of it from which the ceiling is worked out.
LIMITS = ("workers", "slots", "client_pool")
INFO = {*LIMITS, "service", "concurrency", "backend_url", "backend_timeout_s", "versions"}
PERCENTILES = {"p50_ms": 0.50, "p90_ms": 0.90, "p99_ms": 0.99}


def main() -> None:
    """Run the plan given as the only argument."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    plan = json.loads(sys.argv[1])
    if plan["cpus"]:
        psutil.Process().cpu_affinity(plan["cpus"])
    DelayUser.delay = f"{plan['delay_s']:g}"
    try:
        say({"event": "ready", "info": check_service(plan["host"])})
    except (RequestFailed, ValueError) as error:
        say({"event": "broken", "reason": str(error)})
        return
    environment = Environment(user_classes=[DelayUser], host=plan["host"])
    runner = environment.create_local_runner()
    generator = Generator(runner, plan)
    for users in plan["users"]:
        generator.measure(users)
    runner.quit()


def check_service(host: str) -> dict[str, Any]:
    """Ask for the contract's main route, return what `/info` says.

    Raises RequestFailed, or ValueError where the answer is not the right one.
    """
    service = Connection(host, timeout_s=10)
    request = b"GET %s HTTP/1.1\r\nHost: check\r\nX-Request-ID: check\r\n\r\n"
    status, body = service.exchange(request % b"/?delay=0.01")
    if (status, body) != (200, b'{"delay":0.01,"id":"check"}'):
        raise ValueError(f"GET /?delay=0.01 was answered with {status} {body[:200]!r}")
    status, body = service.exchange(request % b"/info")
    service.close()
    info = json.loads(body) if status == 200 else None
    if not isinstance(info, dict) or not info.keys() >= INFO:
        raise ValueError(f"GET /info was answered with {status} {body[:200]!r}")
    for name in LIMITS:
        if type(info[name]) is not int or info[name] < 1:
            raise ValueError(f"{name} in /info must be 1 or more, not {info[name]!r}")
    return info


class Generator:
    """Locust's runner with the figures of one window."""

    def __init__(self, runner: LocalRunner, plan: dict[str, Any]) -> None:
        self.runner = runner
        self.plan = plan
        self.failure_kinds: Counter[str] = Counter()
        self.backend = Connection(plan["backend"], timeout_s=10)
        on_request = runner.environment.events.request
        on_request.add_listener(self.count_failure)  # type: ignore[no-untyped-call]

    def count_failure(self, exception: RequestFailed | None = None, **_: object) -> None:
        """Locust keeps failures by message, we by kind."""
        if exception:
            self.failure_kinds[exception.kind] += 1

    def measure(self, users: int) -> None:
        """Bring the users up to `users`, warm up, measure one window, print it."""
        # A saturated event loop may accept one connection a turn, of a millisecond or so.
        DelayUser.settle_s = 0.1 + (users - self.runner.user_count) * 0.001
        self.runner.start(users, spawn_rate=users)
        while self.runner.user_count < users:
            gevent.sleep(0.01)
        gevent.sleep(DelayUser.settle_s + self.plan["delay_s"] + self.plan["warmup_s"])
        gc.collect()
        gc.freeze()

        calls = self.backend_calls()
        busy = self.busy_s()
        self.failure_kinds.clear()
        self.runner.stats.reset_all()
        opened = time.perf_counter()
        say({"event": "open", "users": users})

        gevent.sleep(self.plan["window_s"])

        total = self.runner.stats.total
        closed = time.perf_counter()
        window: dict[str, Any] = {
            "event": "close",
            "users": users,
            "duration_s": round(closed - opened, 4),
            "requests": total.num_requests,
            "failures": total.num_failures,
            "failure_kinds": dict(self.failure_kinds),
            "unfinished": RawHttpUser.in_flight,
            "max_ms": round(total.max_response_time, 2) if total.num_requests else None,
            **percentiles(total.response_times),
        }
        window["generator_cpu"] = round((self.busy_s() - busy) / window["duration_s"], 3)
        window["backend_calls"] = self.backend_calls() - calls
        say(window)

    def backend_calls(self) -> int:
        """How many calls the backend has received so far."""
        request = b"GET /stats HTTP/1.1\r\nHost: check\r\n\r\n"
        calls: int = json.loads(self.backend.exchange(request)[1])["calls"]
        return calls

    def busy_s(self) -> float:
        """CPU time spent so far on the generator's core, or by the generator if it has none."""
        if not self.plan["cpus"]:
            return time.process_time()
        per_cpu = psutil.cpu_times(percpu=True)
        times = [per_cpu[cpu] for cpu in self.plan["cpus"]]
        busy = [sum(cpu) - cpu.idle - getattr(cpu, "iowait", 0.0) for cpu in times]
        return float(sum(busy)) / len(busy)


def percentiles(
    response_times: dict[int, int] | dict[float, int],
) -> dict[str, float | None]:
    """Nearest-rank percentiles of `{response time in ms: count}`; None where it is empty."""
    total = sum(response_times.values())
    found: dict[str, float | None] = dict.fromkeys(PERCENTILES)
    seen = 0
    for response_time, times in sorted(response_times.items()):
        seen += times
        for name, share in PERCENTILES.items():
            if found[name] is None and seen >= share * total:
                found[name] = response_time
    return found


def say(event: dict[str, Any]) -> None:
    """Print one line for whoever started us."""
    print(json.dumps(event), flush=True)


if __name__ == "__main__":
    main()
