"""The project's commands as processes, with everything they start marked as theirs."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from loadtests.catalog import ROOT

SETTINGS = ("WORKERS", "CONCURRENCY", "BACKEND_TIMEOUT_S", "TARGETS", "MAKEFLAGS", "MAKELEVEL")


class Command:
    """`python -m loadtests …`, or another command, started in the checkout, or in `cwd`."""

    def __init__(
        self,
        *arguments: str,
        command: tuple[str, ...] = (),
        cwd: Path | None = None,
        **variables: str,
    ) -> None:
        # A mark that every process has: services get none of the variables that tests make up.
        self.mark = tempfile.mkdtemp()
        ours = {name: value for name, value in os.environ.items() if name not in SETTINGS}
        self.process = subprocess.Popen(
            [*(command or (sys.executable, "-m", "loadtests")), *arguments],
            cwd=cwd or ROOT,
            env={**ours, "TMPDIR": self.mark, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.said = ""

    def until_it_says(self, text: str) -> str:
        """Read what it prints up to the line with `text`; AssertionError if it ends before."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said += line
            if text in line:
                return line
        raise AssertionError(f"no {text!r} in {self.said!r}, and on stderr {self.end()[2]!r}")

    def interrupt(self) -> None:
        """Ctrl-C: to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self, timeout_s: float = 60) -> tuple[int, str, str]:
        """Wait for the end: status, all of stdout, stderr."""
        rest, complaints = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, self.said + rest, complaints

    def processes(self) -> list[psutil.Process]:
        """All live processes that it started, or that those started, itself among them."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            return process.environ().get("TMPDIR") == self.mark
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            return False

    def ports(self) -> set[int]:
        """The ports that its processes listen on."""
        found = set()
        for process in self.processes():
            try:
                connections = process.net_connections("tcp")
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            found |= {c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN}
        return found

    def __enter__(self) -> Command:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes():
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.communicate()
        shutil.rmtree(self.mark, ignore_errors=True)


def until(true: Callable[[], object], timeout_s: float = 10) -> bool:
    """Wait until `true()` is; whether it ever was."""
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def runs_in(results: Path) -> list[Path]:
    """The folders of runs in `results`, oldest first."""
    return sorted(path for path in results.iterdir() if path.is_dir()) if results.exists() else []
