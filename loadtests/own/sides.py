"""Two files of one service, as of two checkouts of its repository, measured in one run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loadtests.compare import revisions
from loadtests.compare.differences import SIDES
from loadtests.compare.revisions import CannotCompare
from loadtests.own import bench
from loadtests.own.file import read
from loadtests.record import Run


def measured(
    files: tuple[Path, Path],
    profile_name: str,
    runtime_name: str,
    turns: str,
    settings: dict[str, str],
) -> tuple[Run, Run, Run]:
    """The sides of the run, and the whole; the two take their turns in one shuffled order.

    CannotCompare where they are not the same service, UsageError as of `bench.parts`.
    """
    own = [bench.service(read(file)) for file in files]
    if own[0].name != own[1].name:
        raise CannotCompare(f"{own[0].name} and {own[1].name} are two services, not two of one")
    marked = [replace(one, revision=mark) for one, mark in zip(own, SIDES, strict=True)]
    profile = revisions.profile_of(profile_name, turns)
    run = revisions.run_of(bench.part(profile, marked, runtime_name, settings, files[0]))
    a, b = (revisions.of(run, mark, str(file)) for mark, file in zip(SIDES, files, strict=True))
    return a, b, run
