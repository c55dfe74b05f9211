"""One virtual environment for each service, built by uv from its part of the services' lock.

They stand in `.venvs/<name>`; one whose part of the lock has not changed is not
installed again. Nothing outside the checkout is written to, the package cache included.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from loadtests.catalog import ROOT, SERVICES
from services import folders

ENVIRONMENTS = ROOT / ".venvs"


class InstallError(RuntimeError):
    """An environment that cannot be built; the text holds what uv said."""


def python(name: str) -> Path:
    """The interpreter of the environment of service `name`."""
    return ENVIRONMENTS / name / "bin" / "python"


def ensure(names: Iterable[str]) -> None:
    """Build the environments that are missing or older than their lock, several at once."""
    with _alone():
        stale = [name for name in names if _built_from(name) != _lock(name)]
        if stale:
            print(f"installing the environments of {', '.join(stale)}", flush=True)
        with ThreadPoolExecutor() as pool:
            list(pool.map(_build, stale))


def uv(*arguments: str, given: str | None = None) -> None:
    """Run uv, with `given` on its standard input; InstallError with its output where it fails."""
    environment = {
        "UV_CACHE_DIR": str(ROOT / ".cache" / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
        **os.environ,
    }
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    done = subprocess.run(
        command, env=environment, input=given, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise InstallError(
            f"uv {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}"
        )


def _build(name: str) -> None:
    folder = ENVIRONMENTS / name
    uv("venv", "--clear", "--python", sys.executable, str(folder))
    pins = folder / "requirements.txt"
    pins.write_text(_pins(name))
    interpreter = str(python(name))
    uv("pip", "sync", "--python", interpreter, "--require-hashes", str(pins))
    (folder / "built-from").write_text(_lock(name))


def _pins(name: str) -> str:
    try:
        return folders.pins(name, SERVICES)
    except (OSError, ValueError) as error:
        raise InstallError(str(error)) from error


def _lock(name: str) -> str:
    """What an environment is built from: its part of the lock, and the Python that runs it."""
    digest = hashlib.sha256(_pins(name).encode()).hexdigest()
    # Not sys.prefix: `make bench` and `make test` run in environments of their own on that Python.
    return f"{platform.python_version()} {sys.base_prefix} {digest}\n"


def _built_from(name: str) -> str | None:
    try:
        return (ENVIRONMENTS / name / "built-from").read_text()
    except OSError:
        return None


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time build environments."""
    ENVIRONMENTS.mkdir(exist_ok=True)
    with (ENVIRONMENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
