"""`waits bench --file waits.toml`: a service of the reader's own among those of this repository."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from loadtests import catalog
from loadtests.bench import plan, profiles
from loadtests.bench.plan import Part
from loadtests.bench.profiles import Profile, UnknownProfile
from loadtests.catalog import OWN, Service
from loadtests.errors import UsageError
from loadtests.own.file import OwnFile, read

RESULTS = "waits-results"  # beside the file, where nobody says another place
NOT_SAID = "not said"


def parts(
    file: Path, against: str, profile: str, runtime_name: str, settings: dict[str, str]
) -> list[Part]:
    """The parts of a profile over the file's service, and those it is measured `against`.

    UsageError for a mistake in the file, UnknownProfile for one that asks for more than one call
    to the upstream, UnknownService, UnknownRuntime.
    """
    own = service(read(file))
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
        return plan.part(replace(profile, again=()), services, "local", settings)
    if runtime_name == "local":
        raise UsageError(f"{file}: an image runs in a container: --runtime compose")
    made = plan.part(replace(profile, again=()), services, "compose", settings)
    from loadtests.own import container  # only where there is an engine

    container.check(own)
    return made


def service(own: OwnFile) -> Service:
    """It as the bench has services, with what nobody can know of it left open."""
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
