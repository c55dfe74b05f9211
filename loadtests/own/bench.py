"""`waits bench --file waits.toml`: a service of the reader's own among those of this repository."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from loadtests import catalog, runtime
from loadtests.bench import plan, profiles
from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile, UnknownProfile
from loadtests.catalog import OWN, Service
from loadtests.errors import UsageError
from loadtests.own.file import OwnFile, read
from loadtests.own.program import started_with
from loadtests.runtime import ServiceFailed

RESULTS = "waits-results"  # beside the file, where nobody says another place
NOT_SAID = "not said"


def parts(
    file: Path, against: str, profile: str, runtime_name: str, settings: dict[str, str]
) -> list[Part]:
    """The parts of a profile over the file's service, and those it is measured `against`.

    UsageError for a mistake in the file, UnknownProfile for one that asks for more than one call
    to the upstream, UnknownService, UnknownRuntime.
    """
    own = service(file)
    others = [] if against.strip() == "none" else catalog.select(against)
    if own.name in catalog.names():
        raise UsageError(f"{file}: name {own.name!r} is that of a service here: choose another")
    return [
        part(one, [own, *others], runtime_name, settings, file) for one in profiles.select(profile)
    ]


def part(
    profile: Profile,
    services: list[Service],
    runtime_name: str,
    settings: dict[str, str],
    file: Path,
) -> Part:
    """A profile over services of which the first is that of `file`; raises as above."""
    runtime.see_that_there_is(runtime_name)
    if not profile.of_kind.straight:
        raise UnknownProfile(
            f"{profile.name}: asks for what only a service of this project has; a service of your "
            "own goes with smoke, quick, standard, map, open, cost and capacity"
        )
    own = services[0].own
    assert own
    if not own.image:
        if runtime_name == "compose":
            raise UsageError(f"{file}: a command runs here, not in a container: --runtime local")
        made = plan.part(replace(profile, again=()), services, "local", settings)
        if runtime_name == "auto":
            made.runtime.because = "a command of your own runs here"
        return made
    if runtime_name == "local":
        raise UsageError(f"{file}: an image runs in a container: --runtime compose")
    made = plan.part(replace(profile, again=()), services, "compose", settings)
    if runtime_name == "auto":
        made.runtime.because = "an image runs in a container"
    from loadtests.own import container  # only where there is an engine

    container.check(own)
    return made


def service(file: Path) -> Service:
    """The service of a file as the bench has services, with what nobody can know of it left open.

    UsageError for a mistake in the file, or where something that it names is not there.
    """
    own = read(file)
    _see_that_all_is_there(own)
    return Service(
        name=own.name,
        title="a service of its own",
        framework=NOT_SAID,
        server=own.image or own.command[0],
        client=NOT_SAID,
        model=own.model,
        waits=NOT_SAID,
        kind=OWN,
        exceptions={"keep-alive": "not known of a service that does not know the contract"},
        limit="as its waits.toml says" if own.slots else "",
        own=own,
    )


def _see_that_all_is_there(own: OwnFile) -> None:
    """UsageError unless its program and the variables that it asks for are there."""
    if unset := [name for name in own.passed if name not in os.environ]:
        raise UsageError(
            f"{own.file}: pass names {', '.join(unset)}, not set here: set it, or leave it out"
        )
    if own.image:
        return
    try:
        started_with(own, 0, "")
    except ServiceFailed as error:
        raise UsageError(f"{own.file}: {error}") from error
