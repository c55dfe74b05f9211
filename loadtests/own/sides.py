"""Two files of one service, as of two checkouts of its repository, measured in one run."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from loadtests.compare import revisions
from loadtests.compare.differences import SIDES
from loadtests.compare.revisions import CannotCompare
from loadtests.own import bench
from loadtests.record import Run, folders, save

KEPT = "compare"  # at the end of the folder's name, in the place of a profile


def measured(
    files: tuple[Path, Path],
    profile_name: str,
    runtime_name: str,
    turns: str,
    settings: dict[str, str],
) -> tuple[Run, Run, Run]:
    """The sides of the run, and the whole; the two take their turns in one shuffled order.

    The whole is kept with the results of the second.
    CannotCompare where they are not the same service, UsageError as of `bench.parts`.
    """
    own = [bench.service(file) for file in files]
    if own[0].name != own[1].name:
        raise CannotCompare(f"{own[0].name} and {own[1].name} are two services, not two of one")
    marked = [replace(one, revision=mark) for one, mark in zip(own, SIDES, strict=True)]
    profile = revisions.profile_of(profile_name, turns)
    run = revisions.run_of(bench.part(profile, marked, runtime_name, settings, files[0]))
    folder = folders.new(files[1].parent / bench.RESULTS, run.started_at, run.machine["name"], KEPT)
    save(run, folder / "run.json")
    print(f"measured: {folder / 'run.json'}", file=sys.stderr)
    a, b = (revisions.of(run, mark, str(file)) for mark, file in zip(SIDES, files, strict=True))
    return a, b, run
