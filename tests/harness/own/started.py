"""An application of this folder, started on a free port, and the upstream that it calls."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from loadtests.catalog import BACKEND
from loadtests.own.upstream import answer_any
from loadtests.runtime import environments
from loadtests.runtime.ports import free_port, is_free
from loadtests.runtime.process import ServiceProcess
from tests.harness.commandline import until

FOLDER = Path(__file__).parent
PLAIN = str(FOLDER / "plain.py")


@contextmanager
def upstream(delay_s: float = 0.05) -> Iterator[str]:
    """The URL of a backend that answers any path after `delay_s`."""
    environments.ensure([BACKEND])
    settings = {"HOST": "127.0.0.1", "PORT": str(free_port())}
    with ServiceProcess(BACKEND, settings) as backend:
        backend.wait_ready()
        answer_any(backend.url, [delay_s], 0)
        yield backend.url


@contextmanager
def started(command: Sequence[str], **variables: str) -> Iterator[tuple[str, int]]:
    """The URL and the process of an application, which has PORT in place of `{port}`."""
    port = free_port()
    process = subprocess.Popen(
        [word.replace("{port}", str(port)) for word in command],
        cwd=FOLDER,
        env={**os.environ, "PORT": str(port), **variables},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        assert until(lambda: not is_free(port) or process.poll() is not None, 20)
        assert process.poll() is None, "the application did not start"
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        process.terminate()
        process.wait(10)


def plain(*words: str) -> list[str]:
    """The command of the application of the standard library."""
    return [sys.executable, PLAIN, *words]
