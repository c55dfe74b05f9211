"""The machine of the measurements."""

from __future__ import annotations

import contextlib
import platform
import re
import subprocess
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from loadtests import paths
from loadtests.bench.cores import quota, siblings


def describe(chosen: Iterable[int] = ()) -> dict[str, Any]:
    """Hardware, system and versions, for the record of a run that is pinned to `chosen` cores."""
    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else 0
    cores = cores or psutil.cpu_count() or 1
    cpu = _cpu_model()
    return {
        "name": f"{_slug(cpu)}-{cores}c",
        "cpu": cpu,
        "cores": cores,
        "quota_cores": quota(),
        "thread_siblings": [threads for core in chosen if (threads := siblings(core))],
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "python_build": f"{' '.join(platform.python_build())}, {platform.python_compiler()}",
        "locust": version("locust"),
    }


def commit() -> str:
    """The commit that is measured, with `-dirty` where files differ from it, or `unknown`."""
    if not paths.CHECKOUT:
        return paths.release()
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(
            command, cwd=paths.ROOT, encoding="utf-8", capture_output=True, check=False
        )
    except OSError:  # no git here
        return "unknown"
    return done.stdout.strip() or "unknown"


def cpu_model_in(cpuinfo: str) -> str:
    """The CPU's name as /proc/cpuinfo has it; empty where it has none."""
    found = re.search(r"^model name\s*:\s*(.+)$", cpuinfo, re.M)
    return found[1].strip() if found else ""


def _cpu_model() -> str:
    text = ""
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    return cpu_model_in(text) or platform.processor() or platform.machine()


def _slug(text: str) -> str:
    text = re.sub(r"\((R|TM)\)|CPU|Processor|@.*|\d+-Core", "", text, flags=re.I)
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "cpu"
