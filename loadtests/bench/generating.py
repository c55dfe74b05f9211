"""The generator as the bench starts it: what it is asked to do, and what it says."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from threading import Timer
from typing import Any

from loadtests.bench.profiles import Profile
from loadtests.runtime import Runtime, ServiceFailed
from loadtests.workloads.kind import Step

# The time that a generator may need beyond its windows: to start, and for each connection.
SLACK_S = 60.0
CONNECTION_S = 0.02

Start = Callable[[str], subprocess.Popen[str]]


def plan_of(
    runtime: Runtime, host: str, profile: Profile, steps: list[Step], seed: str
) -> dict[str, Any]:
    """The generator's plan for a host."""
    # Not from within a container.
    looks = profile.of_kind.search_s and runtime.name == "local" and runtime.look()
    return {
        "host": host,
        "backend": runtime.backend_url,
        "runtime": runtime.name,
        "backend_apart": bool(runtime.machines),
        "cpus": runtime.load_cpus,
        "service_cpus": runtime.service_cpus,
        # Of whom all processes of the run descend, where a search may look for others.
        "bench": os.getpid() if looks else None,
        "profile": profile.flat(),
        "steps": [asdict(step) for step in steps],
        "seed": seed,
        **runtime.load_processes.said(),
    }


@contextmanager
def generating(start: Start, plan: str, limit_s: float) -> Iterator[subprocess.Popen[str]]:
    """`start` the generator; see to it that it ends, after `limit_s` at the latest."""
    generator = start(plan)
    watchdog = Timer(limit_s, generator.kill)
    watchdog.start()
    try:
        yield generator
    finally:
        watchdog.cancel()
        generator.kill()
        generator.communicate()


def told(runtime: Runtime, plan: dict[str, Any], limit_s: float) -> Iterator[dict[str, Any]]:
    """The generator's last line on each step, `close` or `failed`, without a service.

    ServiceFailed where it does not get through.
    """
    with generating(runtime.generator, json.dumps(plan), limit_s) as generator:
        assert generator.stdout is not None
        assert generator.stderr is not None
        for line in generator.stdout:
            event = json.loads(line)
            if event["event"] == "broken":
                raise ServiceFailed(event["reason"])
            if event["event"] in ("close", "failed"):
                yield event
        if generator.wait():
            raise ServiceFailed(f"the generator ended: {generator.stderr.read().strip()[-2000:]}")
