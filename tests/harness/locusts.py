"""Locust as its users start it: from the command line, in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from loadtests.catalog import ROOT
from loadtests.runtime.ports import free_port

LOCUSTFILE = ROOT / "loadtests" / "locustfile.py"
PROBE = Path(__file__).with_name("probe.py")
# Users finish what they have begun, so that both sides count the same.
GENTLY = ("--headless", "--stop-timeout", "20", "--skip-log")
KINDS = ("refused", "reset", "timeout", "bad status", "wrong body", "dropped")


@dataclass
class Stats:
    """The counters of Locust, and the percentiles it shows."""

    requests: int
    failures: int
    failure_kinds: Counter[str]
    response_times: dict[float, int]
    p50_ms: float
    p90_ms: float


def command(*options: str, files: tuple[Path, ...] = (LOCUSTFILE,)) -> list[str]:
    """The command line of Locust."""
    return [sys.executable, "-m", "locust", "-f", ",".join(map(str, files)), *options]


def run(
    folder: Path, url: str, users: int, time_s: float, *options: str, locustfile: Path = LOCUSTFILE
) -> Stats:
    """Load `url`, wait for the end, return what was counted; `folder` is for Locust's files."""
    load = ("--host", url, "-u", str(users), "-r", str(users), "-t", f"{time_s}s")
    done = subprocess.run(
        command(*GENTLY, *load, "--json-file", "stats", *options, files=(locustfile, PROBE)),
        cwd=folder,
        env=environment(COUNTED=str(folder / "counted.json")),
        timeout=60,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1) and (folder / "stats.json").exists(), done.stderr
    return read(folder)


def two_processes() -> tuple[str, ...]:
    """Options for two that make load; Locust's own port would be another test's, too."""
    port = str(free_port())
    return ("--processes", "2", "--master-bind-port", port, "--master-port", port)


def environment(**variables: str) -> dict[str, str]:
    """Our environment without what would change Locust's."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    return {**ours, **variables}


def read(folder: Path) -> Stats:
    """The statistics in Locust's files in `folder`."""
    rows = json.loads((folder / "stats.json").read_text())
    times: Counter[float] = Counter()
    for row in rows:
        times.update({float(time): count for time, count in row["response_times"].items()})
    kinds: Counter[str] = Counter()
    counted = json.loads((folder / "counted.json").read_text())
    for message, occurrences in counted["failures"].items():
        kinds[next(kind for kind in KINDS if kind in message)] += occurrences
    return Stats(
        requests=sum(row["num_requests"] for row in rows),
        failures=sum(row["num_failures"] for row in rows),
        failure_kinds=kinds,
        response_times=dict(times),
        p50_ms=counted["p50_ms"],
        p90_ms=counted["p90_ms"],
    )
