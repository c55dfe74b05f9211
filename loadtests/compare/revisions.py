"""Two git revisions, measured in one run: `make compare A=main B=HEAD`.

The services of both are checked out side by side and take their turns in one shuffled order,
so that how the machine drifts meets both alike. The harness is that of this checkout.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from loadtests import catalog, quantities
from loadtests.bench import plan, profiles, rounds
from loadtests.bench.laps import Laps
from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile
from loadtests.bench.progress import Progress
from loadtests.catalog import ROOT, Service
from loadtests.errors import UsageError
from loadtests.record import Run, folders
from loadtests.runtime import environments, see_that_there_is

LEAST_ROUNDS = 5  # fewer say too little of the noise


class CannotCompare(UsageError):
    """Revisions that cannot be measured together; the text says why."""


def commit_of(name: str) -> str | None:
    """The commit that a name stands for in this repository; None where it is none."""
    found = _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
    return found.stdout.strip() or None if name else None


def measured(
    commits: Mapping[str, str],
    profile_name: str,
    wanted: str,
    runtime_name: str,
    turns: str,
    settings: dict[str, str],
) -> Run:
    """A run with the services of both: `commits` are the revisions by their marks, A and B."""
    see_that_there_is(runtime_name)
    if runtime_name == "compose":
        raise CannotCompare("revisions are compared as local processes only, not in containers")
    profile = profile_of(profile_name, turns)
    with checked_out(commits) as trees:
        services = _services(wanted.split() or list(profile.services) or catalog.names(), trees)
        part = plan.part(profile, services, "local", settings)
        if not part.services:
            raise CannotCompare(f"none of the services can do {profile.name}")
        for mark, tree in trees.items():
            names = [service.name for service in part.services if service.revision == mark]
            environments.share(names, tree / "services", tree.parent / "environments")
        return run_of(part)


def run_of(part: Part) -> Run:
    """All points of a part, kept nowhere."""
    result, laps, progress = rounds.new_run(part.profile.name, [part]), Laps(), Progress([part])
    try:
        for turn in rounds.turns(part, result, laps, progress):
            for point in turn:
                result.add(point)
                progress.show(point)
    finally:
        progress.end()
    result.finished_at = folders.now()
    return result


def of(run: Run, mark: str, commit: str) -> Run:
    """The side of a run that a mark is for, under the services' own names."""
    ending = f"@{mark}"
    return replace(
        run,
        commit=commit,
        services={
            name.removesuffix(ending): about
            for name, about in run.services.items()
            if name.endswith(ending)
        },
        points=[
            replace(one, service=one.service.removesuffix(ending))
            for one in run.points
            if one.service.endswith(ending)
        ],
        summary=[
            replace(one, service=one.service.removesuffix(ending))
            for one in run.summary
            if one.service.endswith(ending)
        ],
    )


@contextmanager
def checked_out(commits: Mapping[str, str]) -> Iterator[dict[str, Path]]:
    """A worktree of each revision, by its mark; at the end nothing of them is left."""
    with tempfile.TemporaryDirectory(prefix="compare-") as folder:
        trees = {mark: Path(folder) / mark for mark in commits}
        try:
            for mark, commit in commits.items():
                done = _git("worktree", "add", "--quiet", "--detach", str(trees[mark]), commit)
                if done.returncode:
                    raise CannotCompare(f"{mark} cannot be checked out: {done.stderr.strip()}")
                if not (trees[mark] / "services" / "folders.py").is_file():
                    raise CannotCompare(
                        f"{mark} ({commit[:12]}) has no services/folders.py: revisions from before "
                        "it cannot be compared"
                    )
            yield trees
        finally:
            for tree in trees.values():
                _git("worktree", "remove", "--force", str(tree))


def profile_of(name: str, turns: str) -> Profile:
    """A profile for two of each service: in more rounds, and none is measured again."""
    found = profiles.select(name)
    if len(found) > 1:
        raise CannotCompare(f"{name} is of several profiles: compare one after the other")
    number = max(LEAST_ROUNDS, found[0].rounds)
    if turns.strip():
        number = quantities.count("ROUNDS", turns, "a whole number from 2 to 9999", least=2)
    return replace(found[0], rounds=number, again=())


def _services(names: list[str], trees: Mapping[str, Path]) -> list[Service]:
    """The services of those names that all revisions have."""
    found = []
    for name in names:
        of_each = []
        for mark, tree in trees.items():
            try:
                service = catalog.load(name, tree / "services")
            except catalog.UnknownService as error:
                print(f"without {name}, which {mark} does not have: {error}", flush=True)
                break
            of_each.append(replace(service, revision=mark))
        if len(of_each) == len(trees):
            found += of_each
    if not found:
        raise CannotCompare(f"no service that both have: {', '.join(names)}")
    return found


def _git(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["git", *arguments]
    return subprocess.run(command, cwd=ROOT, encoding="utf-8", capture_output=True, check=False)
