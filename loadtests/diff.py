"""The differences of two services, file by file."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

from loadtests.catalog import SERVICES
from services import folders

SERVE = "serve"


def differences(one: str, other: str) -> Iterator[str]:
    """The files that differ, as a unified diff, and in the last line those that do not."""
    left, right = _files(one), _files(other)
    same = []
    for name in sorted({*left, *right}, key=lambda name: (name != "app.py", name == SERVE, name)):
        changes = list(_changes(left.get(name), right.get(name)))
        if changes:
            yield from [*changes, ""]
        else:
            same.append(name)
    kept = ", ".join(same) or "no file"
    if set(same) == {*left, *right}:
        yield f"All their files are the same: {kept}"
    elif {*left, *right} - {SERVE} <= set(same):
        yield f"They differ only in how they are served; the same in both: {kept}"
    else:
        yield f"The same in both: {kept}"


def _files(name: str) -> dict[str, Path]:
    """The files of a service: its modules, and what starts it."""
    return folders.modules(name, SERVICES) | {SERVE: folders.find(name, SERVE, SERVICES)}


def _changes(old: Path | None, new: Path | None) -> Iterator[str]:
    if old == new:
        return iter(())
    (a, a_text), (b, b_text) = _read(old), _read(new)
    return unified_diff(a_text, b_text, a, b, lineterm="")


def _read(path: Path | None) -> tuple[str, list[str]]:
    if path is None:
        return "(no such file)", []
    return str(path.relative_to(SERVICES)), path.read_text(encoding="utf-8").splitlines()
