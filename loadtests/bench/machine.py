"""What the measurements were made on."""

from __future__ import annotations

import platform
import re
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from loadtests.catalog import ROOT


def describe() -> dict[str, Any]:
    """Hardware, system and versions, for the record of a run."""
    cores = len(psutil.Process().cpu_affinity()) if hasattr(psutil.Process, "cpu_affinity") else 0
    cores = cores or psutil.cpu_count() or 1
    cpu = _cpu_model()
    return {
        "name": f"{_slug(cpu)}-{cores}c",
        "cpu": cpu,
        "cores": cores,
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "python": platform.python_version(),
        "python_build": f"{' '.join(platform.python_build())}, {platform.python_compiler()}",
        "locust": version("locust"),
    }


def commit() -> str:
    """The commit that is measured, with `-dirty` where files differ from it, or `unknown`."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, text=True, capture_output=True, check=False)
    except OSError:  # no git here
        return "unknown"
    return done.stdout.strip() or "unknown"


def split_cores() -> tuple[set[int], set[int]] | None:
    """A core for the service and one for backend and generator; None where there is only one."""
    if not hasattr(psutil.Process, "cpu_affinity"):
        return None
    cores = psutil.Process().cpu_affinity()
    return ({cores[0]}, {cores[1]}) if len(cores) > 1 else None


def _cpu_model() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _slug(text: str) -> str:
    text = re.sub(r"\((R|TM)\)|CPU|Processor|@.*|\d+-Core", "", text, flags=re.I)
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "cpu"
