"""One virtual environment for each service, built by uv from its part of the services' lock.

They stand in a folder of that name; one whose part of the lock has not changed is not
installed again, not even for another checkout. Nothing outside the checkout is written
to, the package cache included.
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

from loadtests.catalog import SERVICES, Interpreter, Service
from loadtests.errors import UsageError
from loadtests.paths import CACHE, ENVIRONMENTS, ROOT
from services import folders

LINKS = ".venvs"  # in another checkout


class InstallError(UsageError):
    """An environment that cannot be built; the text holds what uv said."""


def python(name: str, services: Path | None = None) -> Path:
    """The interpreter of service `name`, of another checkout where its `services` are given."""
    environments = services.parent / LINKS if services else ENVIRONMENTS
    return environments / name / "bin" / "python"


def ensure(names: Iterable[str]) -> None:
    """Build the environments that are missing or older than their lock, several at once."""
    with _alone():
        stale = [name for name in names if _built_from(ENVIRONMENTS / name) != _lock(name)]
        if stale:
            print(f"installing the environments of {', '.join(stale)}", flush=True)
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: _build(ENVIRONMENTS / name, name), stale))


def ensure_on(service: Service, interpreter: Interpreter) -> None:
    """Build the environment of a service on another interpreter; InstallError where it cannot be.

    Where a package has no wheel for it that is built from its source.
    """
    folder = ENVIRONMENTS / service.version
    with _alone():
        if _built_from(folder) != _lock(service.name, on=interpreter):
            print(f"installing the environment of {service.version}", flush=True)
            _build(folder, service.name, on=interpreter)


def share(names: Iterable[str], services: Path, built: Path) -> None:
    """Give services of another checkout their environments, as links in its own `.venvs`.

    That is the environment here, where it is of the same lock, or one in `built`.
    """
    links = services.parent / LINKS
    links.mkdir(exist_ok=True)
    with _alone():
        for name in names:
            lock = _lock(name, services)
            folder = ENVIRONMENTS / name
            if _built_from(folder) != lock:
                folder = built / hashlib.sha256(lock.encode()).hexdigest()[:16]
            if _built_from(folder) != lock:
                print(f"installing an environment for {name} of {services.parent.name}", flush=True)
                _build(folder, name, services)
            (links / name).symlink_to(folder)


def uv(*arguments: str, given: str | None = None) -> str:
    """The output of uv, with `given` on its standard input; InstallError where it fails."""
    environment = {
        "UV_CACHE_DIR": str(CACHE / "uv"),
        "UV_PYTHON_DOWNLOADS": "never",
        **os.environ,
    }
    command = [sys.executable, "-m", "uv", "--quiet", *arguments]
    done = subprocess.run(
        command,
        cwd=ROOT,  # not the caller's folder, whose pyproject.toml may be one of uv's
        env=environment,
        input=given,
        encoding="utf-8",
        errors="replace",
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise InstallError(
            f"uv {' '.join(arguments)}: {done.stderr.strip() or done.stdout.strip()}"
        )
    return done.stdout


def _build(
    folder: Path, name: str, services: Path | None = None, on: Interpreter | None = None
) -> None:
    uv("venv", "--clear", "--python", str(on.path) if on else sys.executable, str(folder))
    pins = folder / "requirements.txt"
    pins.write_text(_pins(name, services), encoding="utf-8")
    interpreter = str(folder / "bin" / "python")
    as_locked = ("--require-hashes", "--allow-empty-requirements")
    uv("pip", "sync", "--python", interpreter, *as_locked, str(pins))
    (folder / "built-from").write_text(_lock(name, services, on), encoding="utf-8")


def _pins(name: str, services: Path | None) -> str:
    try:
        return folders.pins(name, services or SERVICES)
    except (OSError, ValueError) as error:
        raise InstallError(str(error)) from error


def _lock(name: str, services: Path | None = None, on: Interpreter | None = None) -> str:
    """The origin of an environment: its part of the lock, and the Python that runs it."""
    digest = hashlib.sha256(_pins(name, services).encode()).hexdigest()
    # Not sys.prefix: `make bench` and `make test` run in environments of their own on that Python.
    here = platform.python_version(), sys.base_prefix
    version, prefix = (on.version, on.prefix) if on else here
    return f"{version} {prefix} {digest}\n"


def _built_from(folder: Path) -> str | None:
    try:
        return (folder / "built-from").read_text(encoding="utf-8")
    except OSError:
        return None


@contextmanager
def _alone() -> Iterator[None]:
    """Let one process at a time build environments."""
    ENVIRONMENTS.mkdir(parents=True, exist_ok=True)
    with (ENVIRONMENTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
