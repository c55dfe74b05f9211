"""Run Python in the harness's own environment, building it first where needed.

    python3 loadtests/bootstrap.py [--tests] ARGUMENTS OF PYTHON…

Needs nothing but Python 3.11 with venv. The environment is `.venv`, or with
--tests `.venvs/tests`; it is built from the lock in `loadtests` or `tests`,
with hashes, and built anew when the lock changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)


def main() -> None:
    """Build what is missing, then become that Python."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"Python 3.11 or newer is needed, this is {found}: make PYTHON=python3.13 …")
    arguments = sys.argv[1:]
    folder, lock = ROOT / ".venv", ROOT / "loadtests" / "requirements.txt"
    if arguments[:1] == ["--tests"]:
        arguments = arguments[1:]
        folder, lock = ROOT / ".venvs" / "tests", ROOT / "tests" / "requirements.txt"
    (ROOT / ".cache").mkdir(exist_ok=True)
    with (ROOT / ".cache" / "bootstrap.lock").open("w") as alone:
        fcntl.flock(alone, fcntl.LOCK_EX)  # two commands started at once build it once
        ensure(folder, lock)
    os.chdir(ROOT)
    python = str(folder / "bin" / "python")
    os.execv(python, [python, *arguments])


def ensure(folder: Path, lock: Path) -> None:
    """Make the environment `folder` what `lock` says, unless it is that already."""
    text = lock.read_text()
    built_from = f"{sys.version} {sys.prefix} {hashlib.sha256(text.encode()).hexdigest()}\n"
    marker = folder / "built-from"
    if marker.is_file() and marker.read_text() == built_from:
        return
    print(f"installing the harness in {folder.relative_to(ROOT)}", file=sys.stderr)
    made = [sys.executable, "-m", "venv", "--clear", str(folder)]
    if subprocess.run(made, check=False).returncode:
        sys.exit("Python cannot make environments; on Debian: apt install python3-venv")
    python = str(folder / "bin" / "python")
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as uv_only:
        uv_only.write(pin_of("uv", text))
        uv_only.flush()
        quietly = ("--quiet", "--no-cache-dir", "--disable-pip-version-check")
        run(python, "-m", "pip", "install", *quietly, "--require-hashes", "-r", uv_only.name)
    run(
        python,
        "-m",
        "uv",
        "--quiet",
        "pip",
        "sync",
        "--require-hashes",
        "--python",
        python,
        str(lock),
    )
    marker.write_text(built_from)


def pin_of(package: str, lock: str) -> str:
    """The lines of a lock that pin `package`, hashes included."""
    lines = lock.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{package}=="))
    end = next(
        (i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines)
    )
    return "\n".join(lines[start:end]) + "\n"


def run(*command: str) -> None:
    """Run one command, end with its status where it fails; uv keeps its cache in the checkout."""
    environment = {"UV_CACHE_DIR": str(ROOT / ".cache" / "uv"), **os.environ}
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        sys.exit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
