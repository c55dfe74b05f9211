"""The workers of other machines that make a run's load: wait for them before it begins."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from loadtests.bench.plan import Part
from loadtests.catalog import ROOT
from loadtests.errors import UsageError
from loadtests.record import round_trips
from loadtests.runtime.process import leashed

PATIENCE_S = 60.0


def gather(part: Part, patience_s: float = PATIENCE_S) -> list[dict[str, Any]]:
    """The machine of each worker and the round trip to it.

    UsageError where there are too few of them within `patience_s`.
    """
    load = part.runtime.load_processes
    machines = "another machine" if load.number == 1 else f"{load.number} other machines"
    print(f"waiting for make load MASTER=…, this machine, on {machines}", flush=True)
    plan = {"patience_s": patience_s, **load.said()}
    command = leashed(sys.executable, "-m", "loadtests.load.gather", json.dumps(plan))
    done = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True
    )
    found = json.loads(done.stdout)
    if "reason" in found:
        raise UsageError(f"LOAD_WORKERS={load.number}: {found['reason']}")
    workers: list[dict[str, Any]] = found["workers"]
    return workers


def told(workers: list[dict[str, Any]]) -> str:
    """Where the load comes from, in one line."""
    said = round_trips.of_workers(workers)
    many = "" if len(said) == 1 else "s"
    return f"load: {len(said)} worker{many} on {', '.join(said)}"
