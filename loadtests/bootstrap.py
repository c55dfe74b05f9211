"""Run Python in the harness's own environment, building it first where needed.

    python3 -I loadtests/bootstrap.py [--tests] ARGUMENTS OF PYTHON…

Needs nothing but Python 3.11 with venv, or with uv. The environment is `.venv`, or with
--tests `.venvs/tests`; it is built from the lock in `loadtests` or `tests`,
with hashes, and built anew when the lock changes. -I: whatever the caller's PYTHON… say.
Paths are those of the caller's folder; with --tests Python runs in the checkout.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 11)
NO_VENV = "Python cannot make environments: install python3-venv (apt install python3-venv), or uv"
# A pip.conf with one of these would install elsewhere, or not at all; pip skips what is empty.
NOT_OF_A_FILE = ("USER", "TARGET", "PREFIX", "ROOT", "REQUIRE_VIRTUALENV", "CONSTRAINT", "NO_DEPS")


def main() -> None:
    """Build what is missing, then become that Python."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        sys.exit(f"Python 3.11 or newer is needed, this is {found}: make PYTHON=python3.13 …")
    sys.path.insert(0, str(ROOT))  # of a script Python has its folder there, or none
    from loadtests import variables

    ours = variables.heeded(os.environ)
    arguments = sys.argv[1:]
    of_tests = arguments[:1] == ["--tests"]
    folder, lock = ROOT / ".venv", ROOT / "loadtests" / "requirements.txt"
    if of_tests:
        arguments = arguments[1:]
        folder, lock = ROOT / ".venvs" / "tests", ROOT / "tests" / "requirements.txt"
    try:
        (ROOT / ".cache").mkdir(exist_ok=True)
        with (ROOT / ".cache" / "bootstrap.lock").open("w") as alone:
            fcntl.flock(alone, fcntl.LOCK_EX)  # two commands started at once build it once
            ensure(folder, lock, ours)
            if not of_tests:
                imports_from_here(folder)
    except OSError as error:  # such as no space, or a folder that is another user's
        sys.exit(f"{error.filename or ROOT}: {error.strerror}")
    if of_tests:
        os.chdir(ROOT)
    else:  # no modules of the caller's folder: it may have a `services`, too
        arguments = ["-P", *arguments]
    # Where it is set, each process would compile all that it imports: a second for a generator.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    python = str(folder / "bin" / "python")
    os.execve(python, [python, *arguments], ours)


def ensure(folder: Path, lock: Path, ours: dict[str, str]) -> None:
    """Make the environment `folder` what `lock` says, unless it is that already."""
    text = lock.read_text(encoding="utf-8")
    built_from = f"{sys.version} {sys.base_prefix} {hashlib.sha256(text.encode()).hexdigest()}\n"
    marker = folder / "built-from"
    if marker.is_file() and marker.read_text(encoding="utf-8") == built_from:
        return
    print(f"installing the harness in {folder.relative_to(ROOT)}", file=sys.stderr)
    python = str(folder / "bin" / "python")
    ours = {"UV_CACHE_DIR": str(ROOT / ".cache" / "uv"), "UV_PYTHON_DOWNLOADS": "never", **ours}
    if find_spec("venv") and find_spec("ensurepip"):
        run(ours, sys.executable, "-m", "venv", "--clear", str(folder))
        with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as uv_only:
            uv_only.write(pin_of("uv", text))
            uv_only.flush()
            quietly = ("--quiet", "--no-cache-dir", "--disable-pip-version-check")
            to = {f"PIP_{name}": "" for name in NOT_OF_A_FILE}
            pip = (python, "-m", "pip", "install", *quietly, "--require-hashes")
            run(ours | to, *pip, "-r", uv_only.name)
        uv = [python, "-m", "uv"]
    elif found := shutil.which("uv"):
        run(ours, found, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
        uv = [found]
    else:
        sys.exit(NO_VENV)
    sync = ("--quiet", "pip", "sync", "--require-hashes", "--python", python)
    run(ours, *uv, *sync, str(lock))
    marker.write_text(built_from, encoding="utf-8")


def imports_from_here(folder: Path) -> None:
    """Have the Python of an environment import this checkout's modules in any current folder."""
    (site_packages,) = folder.glob("lib/python3*/site-packages")
    path = site_packages / "checkout.pth"
    if not path.is_file() or path.read_text(encoding="utf-8") != f"{ROOT}\n":
        path.write_text(f"{ROOT}\n", encoding="utf-8")


def pin_of(package: str, lock: str) -> str:
    """The lines of a lock that pin `package`, hashes included."""
    lines = lock.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"{package}=="))
    end = next(
        (i for i in range(start + 1, len(lines)) if not lines[i].startswith(" ")), len(lines)
    )
    return "\n".join(lines[start:end]) + "\n"


def run(environment: dict[str, str], *command: str) -> None:
    """Run one command, end with a line where it fails."""
    if subprocess.run(command, env=environment, check=False).returncode:
        sys.exit(f"failed: {' '.join(command)}")


if __name__ == "__main__":
    main()
