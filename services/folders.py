"""The folders of services, and the one place that knows what a variant has from its parent.

    python services/folders.py run NAME           become the service NAME
    python services/folders.py pins NAME          its part of the lock, for an installer
    python services/folders.py collect NAME DIR   copy all that its image needs

A folder with a `service.toml` is a service; its name is its path below `services/`,
joined by `-`. It has every file of the folders above it, except those it has itself.
Only the standard library is needed: an image runs this before anything is installed.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

SERVICES = Path(__file__).resolve().parent
BACKEND = "backend"  # what the services wait for; no service itself
LOCK = "requirements.txt"
SHARED = (
    *("contract.py", "start.py", "tasks.py", "pools.py", "asgi.py", "bare"),
    *("gunicorn_asgi.py", "gunicorn_wsgi.py", "uvicorn_asgi.py"),
)

# The variables that a service may see, and no others: GUNICORN_CMD_ARGS, UVICORN_*,
# HTTP_PROXY and their like would change what is measured.
SETTINGS = ("HOST", "PORT", "BACKEND_URL", "WORKERS", "CONCURRENCY", "BACKEND_TIMEOUT_S")
TLS = ("TLS_CERTIFICATE", "TLS_KEY")
SYSTEM = ("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH", "TMPDIR", "TZ")


class UnknownFolder(ValueError):
    """A name that no folder has; the text lists those there are."""


def names(services: Path = SERVICES) -> list[str]:
    """All services, sorted."""
    found = [path.parent.relative_to(services) for path in services.rglob("service.toml")]
    return sorted("-".join(folder.parts) for folder in found)


def chain(name: str, services: Path = SERVICES) -> list[Path]:
    """The folder of `name` and those above it that it has files from, its own first."""
    folder = services / BACKEND if name == BACKEND else _folder(services, name)
    if folder is None:
        raise UnknownFolder(f"no service {name!r}; there are: {', '.join(names(services))}")
    return [folder, *folder.parents[: len(folder.relative_to(services).parts) - 1]]


def find(name: str, file: str, services: Path = SERVICES) -> Path:
    """The file of that name that `name` has; FileNotFoundError where it has none."""
    for folder in chain(name, services):
        if (folder / file).is_file():
            return folder / file
    raise FileNotFoundError(f"services/{name}: {file} is missing, in the folders above, too")


def modules(name: str, services: Path = SERVICES) -> dict[str, Path]:
    """The Python files that `name` is made of, by their names, those of all services apart."""
    found: dict[str, Path] = {}
    for folder in chain(name, services):
        for path in sorted(folder.glob("*.py")):
            found.setdefault(path.name, path)
    return dict(sorted(found.items()))


def requirements(name: str, services: Path = SERVICES) -> list[str]:
    """The packages that `name` imports or is served by, as its `requirements.in` writes them."""
    lines = find(name, "requirements.in", services).read_text(encoding="utf-8").splitlines()
    return [line.partition("#")[0].strip() for line in lines if line.partition("#")[0].strip()]


def pins(name: str, services: Path = SERVICES) -> str:
    """The part of the lock that `name` needs: exact versions with their hashes.

    Which package brings which others is what the lock's own comments say (`# via`).
    ValueError where the lock does not have what `requirements.in` names.
    """
    locked = entries((services / LOCK).read_text(encoding="utf-8"))
    wanted = {canonical(requirement) for requirement in requirements(name, services)}
    missing = wanted - {package for package, _, _ in locked}
    if missing:
        listed = ", ".join(sorted(missing))
        raise ValueError(f"services/{name}: {listed} not in the lock, run `make lock`")
    while more := {p for p, _, parents in locked if parents & wanted} - wanted:
        wanted |= more
    return "".join(text for package, text, _ in locked if package in wanted)


def program(name: str, services: Path = SERVICES) -> str:
    """The program, and Debian package, that `name` needs beside Python; empty where none."""
    return str(about(chain(name, services)[0]).get("program", ""))


def advice(name: str, services: Path = SERVICES) -> dict[str, str]:
    """`[advice]` by part; a part that `name` itself lacks is that of the nearest folder above."""
    found: dict[str, str] = {}
    for folder in reversed(chain(name, services)):
        found |= about(folder).get("advice", {})
    return found


def about(folder: Path) -> dict[str, Any]:
    """The `service.toml` of a folder; empty where it has none."""
    file = folder / "service.toml"  # the backend has none
    return tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}


def canonical(requirement: str) -> str:
    """The package that a requirement names, as PEP 503 writes it."""
    name = re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0]
    return re.sub(r"[-_.]+", "-", name).lower()


def environment(name: str, services: Path = SERVICES) -> dict[str, str]:
    """The variables that `name` is started with, out of those there are."""
    passed = {key: os.environ[key] for key in (*SETTINGS, *TLS, *SYSTEM) if key in os.environ}
    path = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    return {
        **passed,
        "PATH": os.pathsep.join(path),
        "PYTHONPATH": os.pathsep.join(map(str, [*chain(name, services), services])),
        "PYTHONUNBUFFERED": "1",
        "SERVICE": name,
    }


def run(name: str) -> None:
    """Become the service: its `serve`, in its own folder."""
    serve = find(name, "serve")
    os.chdir(chain(name)[0])
    # By the shell: a checkout need not have kept the file's mode.
    os.execve("/bin/sh", ["/bin/sh", str(serve)], environment(name))


def collect(name: str, target: Path) -> None:
    """Copy the files of `name`, and its part of the lock, so that anyone may read them."""
    target.mkdir(parents=True, exist_ok=True)
    (target / LOCK).write_text(pins(name), encoding="utf-8")
    (target / "packages.txt").write_text(program(name), encoding="utf-8")
    for folder in reversed(chain(name)):
        for path in folder.iterdir():
            if path.is_file():
                _copy(path, target / "services" / path.relative_to(SERVICES))
    for path in (Path(__file__), *map(SERVICES.joinpath, SHARED)):
        for file in [path] if path.is_file() else path.glob("*.py"):
            _copy(file, target / "services" / file.relative_to(SERVICES))
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def _folder(above: Path, name: str) -> Path | None:
    """The folder of the service `name` below `above`, without a look at all that there are."""
    for folder in above.glob("*/"):
        if folder.name == name and (folder / "service.toml").is_file():
            return folder
        rest = name.removeprefix(f"{folder.name}-")
        if rest != name and (found := _folder(folder, rest)):
            return found
    return None


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def entries(lock: str) -> list[tuple[str, str, set[str]]]:
    """Each pin of a lock: its package, its lines without comments, and what needs it."""
    found = []
    for entry in re.split(r"^(?=[A-Za-z0-9])", lock, flags=re.MULTILINE):
        lines = [line for line in entry.splitlines() if line.strip()]
        pin = [line for line in lines if not line.lstrip().startswith("#")]
        comments = [line.lstrip(" #").removeprefix("via").strip() for line in lines[len(pin) :]]
        if pin:
            parents = {canonical(comment) for comment in comments if comment}
            found.append((canonical(pin[0]), "\n".join(pin) + "\n", parents))
    return found


def main() -> None:
    """One of the three commands; SystemExit with a line for what cannot be done."""
    try:
        match sys.argv[1:]:
            case ["run", name]:
                run(name)
            case ["pins", name]:
                print(pins(name), end="")
            case ["collect", name, target]:
                collect(name, Path(target))
            case _:
                sys.exit("folders.py run NAME | pins NAME | collect NAME DIR")
    except (ValueError, OSError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
