"""Runs by what people call them: latest~1, a profile, the beginning of a folder's name."""

from __future__ import annotations

import re
from pathlib import Path

from loadtests.errors import UsageError, meant

SHOWN = 5  # names in an error: the newest


class NoSuchRun(UsageError):
    """A name that is no run's, or that of several; the text says what there is."""


def names(results: Path) -> list[str]:
    """The folders of runs in `results`, oldest first; those of the ladder are not among them."""
    found = (file.parent.name for file in results.glob("*/run.json"))
    return sorted(name for name in found if not name.endswith("-ladder"))


def find(wanted: str, results: Path) -> Path:
    """The `run.json` of a folder in `results`, or of any path.

    A folder may be given by the beginning of its name, by its profile, which means its newest
    run, or as latest, latest~1 and so on. NoSuchRun where that is none, or several.
    """
    for path in (results / wanted, Path(wanted)):
        if wanted and path.is_file():
            return path
        if wanted and (path / "run.json").is_file():
            return path / "run.json"
    known = names(results)
    if not known:
        raise NoSuchRun(f"no runs in {results}: bench measures one")
    if not wanted:
        raise NoSuchRun(f"which run? {_newest(known)}")
    return results / _one(wanted, known, results) / "run.json"


def _one(wanted: str, known: list[str], results: Path) -> str:
    if age := re.fullmatch(r"latest(?:~(\d{1,6}))?", wanted):
        back = int(age[1] or 0)
        if back < len(known):
            return known[-1 - back]
        raise NoSuchRun(f"{wanted}: there are no more than {len(known)} runs in {results}")
    if of_profile := [name for name in known if name.endswith(f"-{wanted}")]:
        return of_profile[-1]
    found = [name for name in known if name.startswith(wanted)]
    if len(found) == 1:
        return found[0]
    if found:
        raise NoSuchRun(f"{wanted!r} begins the name of {len(found)} runs; {_newest(found)}")
    near = meant(wanted, [*known, *_profiles(known)])
    raise NoSuchRun(f"no run {wanted!r} in {results}{near}; {_newest(known)}")


def _newest(known: list[str]) -> str:
    shown = ", ".join(reversed(known[-SHOWN:]))
    return f"the newest are {shown}" if len(known) > SHOWN else f"there are {shown}"


def _profiles(known: list[str]) -> list[str]:
    """The last parts of their names, after time and machine."""
    return list(dict.fromkeys(name.rpartition("-")[2] for name in known))
