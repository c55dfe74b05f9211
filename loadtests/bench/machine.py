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

MEASURED = ("services", "loadtests", "compose.yaml")  # the code that a run is made with


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
    """The commit that is measured, with `-dirty` where its code differs from it, or `unknown`."""
    if not paths.CHECKOUT:
        return paths.release()
    known = _git("rev-parse", "--short=12", "HEAD")
    if known is None:  # no git here, or no commit
        return "unknown"
    # Reports and the documents that quote them change with each run.
    return known.strip() + "-dirty" * (_git("diff", "--quiet", "HEAD", "--", *MEASURED) is None)


def _git(*arguments: str) -> str | None:
    """Its output; None where it fails."""
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(
            ("git", *arguments), cwd=paths.ROOT, encoding="utf-8", capture_output=True, check=True
        ).stdout
    return None


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
