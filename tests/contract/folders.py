"""Whether a service's folder is what CONTRACT.md says: each check returns what is wrong."""

from __future__ import annotations

import ast
import os
import platform
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from loadtests.catalog import REQUIRED_FILES

DESCRIPTION = {"title", "framework", "server", "client", "model", "waits"}
WHAT_A_MODEL_MAY_FORBID = {"/fanout", "/composite", "/cpu", "/line", "/file", "/chat", "keep-alive"}
MAX_COMMANDS = 6
MAX_DOCSTRING_LINES = 5


def problems(folder: Path, required: tuple[str, ...] = REQUIRED_FILES) -> list[str]:
    """All that is wrong with a folder; empty where nothing is."""
    missing = [file for file in required if not (folder / file).is_file()]
    if missing:
        return [f"{file} is missing" for file in missing]
    found = _serve_problems(folder / "serve")
    found += _docstring_problems((folder / "app.py").read_text())
    texts = [(folder / file).read_text() for file in ("requirements.in", "requirements.txt")]
    found += lock_problems(*texts)
    if "service.toml" in required:
        found += _description_problems((folder / "service.toml").read_text())
    if not (folder / "README.md").read_text().strip():
        found.append("README.md is empty")
    return found


def description(folder: Path) -> dict[str, Any]:
    """A folder's service.toml."""
    return tomllib.loads((folder / "service.toml").read_text())


def cannot(folder: Path) -> dict[str, str]:
    """The routes that the model of a folder's service forbids, and why."""
    routes: dict[str, str] = description(folder).get("cannot", {})
    return routes


def twin_problems(folders: list[Path]) -> list[str]:
    """What keeps these from being twins: the same code to the byte, but for how it is served."""
    first, *others = folders
    modules = {path.name for folder in folders for path in folder.glob("*.py")} - {"server.py"}
    return [
        f"{module} of {other.name} is not that of {first.name}"
        for module in sorted(modules)
        for other in others
        if _content(other / module) != _content(first / module)
    ]


def _content(file: Path) -> bytes | None:
    return file.read_bytes() if file.exists() else None


def lock_problems(direct: str, lock: str) -> list[str]:
    """What is wrong with a lock: no pin for a direct dependency, no hash, an index address."""
    found = []
    pinned: dict[str, list[Requirement]] = {}
    for line in _logical_lines(lock):
        text, *options = line.split(" --")
        if line.startswith("-") or "://" in line:
            found.append(f"the lock names an address or an option: {line}")
            continue
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            found.append(f"the lock has a line that is no requirement: {error}")
            continue
        exact = [specifier.operator == "==" for specifier in requirement.specifier]
        if exact != [True] or "*" in str(requirement.specifier):
            found.append(f"{text} is not an exact pin")
        if not options or not all(option.startswith("hash=sha256:") for option in options):
            found.append(f"{text} has no hash, or something else than one")
        pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    for line in _logical_lines(direct):
        wanted = Requirement(line)
        got = pinned.get(canonicalize_name(wanted.name), [])
        if not got:
            found.append(f"{wanted.name} is not pinned")
        for pin in got:
            version = next(iter(pin.specifier)).version
            if not wanted.specifier.contains(version, prereleases=True):
                found.append(f"{wanted.name} {version} is not {wanted.specifier}")
    return found


def pins(lock: str, python: str = platform.python_version()) -> dict[str, str]:
    """The version of each package that a lock installs under `python`, by canonical name."""
    surroundings = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    requirements = [Requirement(line.split(" --")[0]) for line in _logical_lines(lock)]
    return {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement in requirements
        if requirement.marker is None or requirement.marker.evaluate(surroundings)
    }


def direct_names(direct: str) -> dict[str, str]:
    """The packages of a requirements.in: the name as written, and the canonical one."""
    names = [Requirement(line).name for line in _logical_lines(direct)]
    return {name: canonicalize_name(name) for name in names}


def _serve_problems(serve: Path) -> list[str]:
    found = []
    if not os.access(serve, os.X_OK):
        found.append("serve is not executable")
    lines = [line.strip() for line in serve.read_text().splitlines()]
    if not lines or not lines[0].startswith("#!"):
        found.append("serve does not say what runs it")
    commands = [line for line in lines if line and not line.startswith("#")]
    if len(commands) > MAX_COMMANDS:
        found.append(f"serve has {len(commands)} lines, at most {MAX_COMMANDS} are allowed")
    last = _logical_lines(serve.read_text())[-1:]  # which may go on over several lines
    if not last or not last[0].startswith("exec "):
        found.append("serve does not end in exec")
    return found


def _docstring_problems(app: str) -> list[str]:
    docstring = (ast.get_docstring(ast.parse(app)) or "").strip()
    if not docstring:
        return ["app.py has no docstring"]
    count = len(docstring.splitlines())
    if count > MAX_DOCSTRING_LINES:
        return [f"the docstring of app.py has {count} lines, more than {MAX_DOCSTRING_LINES}"]
    return []


def _description_problems(text: str) -> list[str]:
    try:
        description = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        return [f"service.toml: {error}"]
    routes = description.pop("cannot", {})
    found = _cannot_problems(routes) if isinstance(routes, dict) else ["cannot is not a table"]
    found += [f"service.toml lacks {key}" for key in sorted(DESCRIPTION - description.keys())]
    found += [f"service.toml has {key}" for key in sorted(description.keys() - DESCRIPTION)]
    found += [
        f"{key} in service.toml says nothing"
        for key, value in description.items()
        if not isinstance(value, str) or not value.strip()
    ]
    return found


def _cannot_problems(routes: dict[str, Any]) -> list[str]:
    unknown = sorted(routes.keys() - WHAT_A_MODEL_MAY_FORBID)
    found = [f"[cannot] in service.toml names {route}" for route in unknown]
    found += [
        f"[cannot] in service.toml gives no reason for {route}"
        for route, reason in routes.items()
        if not isinstance(reason, str) or not reason.strip()
    ]
    return found


def _logical_lines(text: str) -> list[str]:
    """Lines without comments, those that end in a backslash joined with the next."""
    lines = text.replace("\\\n", " ").splitlines()
    stripped = (" ".join(line.partition(" #")[0].split()) for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]
