"""The rules of a lock: exact pins, hashes, no address."""

from __future__ import annotations

import platform

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def lock_problems(lock: str) -> list[str]:
    """The faults of a lock: a pin that is not exact, no hash, an index address."""
    found = []
    for line in logical_lines(lock):
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
    return found


def unsatisfied(direct: str, lock: str) -> list[str]:
    """The requirements that the lock does not have, or not in that version."""
    found = []
    for line in logical_lines(direct):
        wanted = Requirement(line)
        got = _versions(lock).get(canonicalize_name(wanted.name), [])
        if not got:
            found.append(f"{wanted.name} is not pinned")
        found += [
            f"{wanted.name} {version} is not {wanted.specifier}"
            for version in got
            if not wanted.specifier.contains(version, prereleases=True)
        ]
    return found


def pins(lock: str, python: str = platform.python_version()) -> dict[str, str]:
    """The version of each package that a lock installs under `python`, by canonical name."""
    surroundings = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    return {
        canonicalize_name(requirement.name): next(iter(requirement.specifier)).version
        for requirement in _requirements(lock)
        if requirement.marker is None or requirement.marker.evaluate(surroundings)
    }


def direct_names(direct: str) -> dict[str, str]:
    """The packages of a requirements.in: the name as written, and the canonical one."""
    names = [Requirement(line).name for line in logical_lines(direct)]
    return {name: canonicalize_name(name) for name in names}


def logical_lines(text: str) -> list[str]:
    """Lines without comments, those that end in a backslash joined with the next."""
    lines = text.replace("\\\n", " ").splitlines()
    stripped = (" ".join(line.partition(" #")[0].split()) for line in lines)
    return [line for line in stripped if line and not line.startswith("#")]


def _versions(lock: str) -> dict[str, list[str]]:
    versions: dict[str, list[str]] = {}
    for requirement in _requirements(lock):
        version = next(iter(requirement.specifier)).version
        versions.setdefault(canonicalize_name(requirement.name), []).append(version)
    return versions


def _requirements(lock: str) -> list[Requirement]:
    return [Requirement(line.split(" --")[0]) for line in logical_lines(lock)]
