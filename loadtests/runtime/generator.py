"""The load generator as a process of this machine."""

from __future__ import annotations

import subprocess
import sys

from loadtests.catalog import ROOT
from loadtests.runtime.process import leashed


def start_generator(plan: str) -> subprocess.Popen[str]:
    """Start the load generator with `plan`; its lines come on stdout."""
    return subprocess.Popen(
        leashed(sys.executable, "-m", "loadtests.load.generator", plan),
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
        start_new_session=True,
    )
