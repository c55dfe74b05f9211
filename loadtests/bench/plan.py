"""The plan of a run: profiles, each over the services that can do it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from loadtests import catalog, runtime
from loadtests.bench import interpreters, profiles
from loadtests.bench.profiles import Profile, UnknownProfile
from loadtests.catalog import TRANSPORTS, Interpreter, Service
from loadtests.errors import UsageError
from loadtests.runtime import ALONE, LoadProcesses, Runtime, UnknownRuntime, places
from loadtests.workloads import KINDS


@dataclass(frozen=True)
class Part:
    """One profile of a run; `left_out` gives the reason of each service that is not in it.

    Some of `services` may be there a second time, to be measured `again`.
    """

    profile: Profile
    services: list[Service]
    left_out: dict[Service, str]
    runtime: Runtime

    def points(self) -> int:
        """How many points it will have."""
        return sum(self.points_of(service) for service in self.services)

    def points_of(self, service: Service) -> int:
        """How many of them are the service's."""
        return self.profile.rounds * len(self.profile.steps(service.model))

    def shared_cores(self) -> int | None:
        """How many cores service and load have together; None where each has its own."""
        if self.runtime.machines:  # the same numbers are other cores
            return None
        return len({*self.runtime.service_cpus} & {*self.runtime.load_cpus}) or None

    def description(self) -> dict[str, Any]:
        """Its settings, for the record of a run."""
        load = self.runtime.load_processes
        return {
            **self.profile.description(),
            "route": self.profile.of_kind.route,
            **({"spread": True} if self.profile.is_spread else {}),
            **({"load_processes": load.number} if load.are_several else {}),
            "left_out": {service.version: reason for service, reason in self.left_out.items()},
        }


def parts(
    name: str,
    wanted: str,
    runtime_name: str,
    settings: dict[str, str],
    pythons: str = "",
    load_processes: LoadProcesses = ALONE,
    tls: bool = False,
) -> list[Part]:
    """The parts of `PROFILE=name SERVICES=wanted RUNTIME=runtime_name PYTHONS=pythons`.

    `wanted` are the services instead of those that the profiles name; `load_processes` make
    the load; with `tls` each service is there with TLS, too. Raises UnknownProfile, also where no
    service is left, UnknownService, UnknownRuntime, UnknownInterpreter, UsageError.
    """
    if tls and pythons.strip():
        raise UsageError("TLS=1 and PYTHONS each measure a service several times: leave one out")
    if tls and places.asked():
        raise UnknownRuntime("TLS=1 is for services on this machine: leave SERVICE_HOST out")
    if tls and load_processes.port:  # which know it by another name than the certificate
        raise UnknownRuntime("TLS=1 is for a load of this machine: leave LOAD_WORKERS out")
    on = interpreters.named(pythons)
    if on and runtime_name == "compose":
        raise UnknownRuntime("PYTHONS are of local processes: leave RUNTIME=compose out")
    runtime_name = "local" if on else runtime_name
    selected = profiles.select(name)
    if load_processes.are_several:
        _see_that_all_divide(selected, load_processes)
    if tls:
        _see_that_all_speak_tls(selected)
    found = [
        part(one, _chosen(one, wanted), runtime_name, settings, on, load_processes, tls)
        for one in selected
    ]
    if not any(part.services for part in found):
        reasons = "; ".join(f"{who.version}: {why}" for who, why in found[0].left_out.items())
        raise UnknownProfile(f"nothing is left of the profile {name!r}: {reasons}")
    return found


def _see_that_all_divide(selected: list[Profile], load_processes: LoadProcesses) -> None:
    """UnknownProfile unless several processes can make the load of all profiles."""
    # A service that is spread may share the load's cores: then all of the load counts.
    others = [one.name for one in selected if one.is_spread or not one.of_kind.divides]
    if others:
        able = ", ".join(name for name, kind in KINDS.items() if kind.divides and not kind.spread)
        asked = f"{load_processes.variable}={load_processes.number}"
        raise UnknownProfile(
            f"{asked} is not for {', '.join(others)}: several processes "
            f"make the load of profiles of the kinds {able}"
        )


def _see_that_all_speak_tls(selected: list[Profile]) -> None:
    """UnknownProfile unless the load of all profiles can be one of TLS."""
    others = [one.name for one in selected if not one.of_kind.tls]
    if others:
        able = ", ".join(name for name, kind in KINDS.items() if kind.tls)
        raise UnknownProfile(
            f"TLS=1 is not for {', '.join(others)}: it is for profiles of the kind {able}"
        )


def _chosen(profile: Profile, wanted: str) -> list[Service]:
    return catalog.select(wanted.strip() or " ".join(profile.services))


def part(
    profile: Profile,
    chosen: list[Service],
    runtime_name: str,
    settings: dict[str, str],
    on: Sequence[Interpreter] = (),
    load_processes: LoadProcesses = ALONE,
    tls: bool = False,
) -> Part:
    """A profile over those of the chosen services that can do it.

    With `tls` each as it is and with TLS, or on each of some interpreters.
    """
    route = profile.of_kind.route
    left_out = {one: f"it does not offer {route}" for one in chosen if not one.has(route)}
    if tls:
        left_out |= {one: "it does not offer TLS" for one in chosen if not one.tls}
    for name in ("concurrency", "backend_timeout_s"):
        if (wanted_here := getattr(profile, name)) and not os.environ.get(name.upper()):
            settings = {**settings, name.upper(): str(wanted_here)}
    able = [service for service in chosen if service not in left_out]
    spread = profile.is_spread
    found = runtime.choose(runtime_name, [] if on else able, settings, spread, load_processes)
    if on:  # which have environments of their own
        found.because = "PYTHONS are of local processes"
    cores = len(found.service_cpus)
    if spread and cores < 2:
        left_out |= dict.fromkeys(able, "there is no second core for it to scale to")
    profile = replace(profile, settings=profile.settings.on(cores))
    left_out |= {one: why for one in able if (why := runtime.lacks(found, one))}
    able = [service for service in able if service not in left_out]
    if on:
        able, lacking = interpreters.each(able, on)
        left_out |= lacking
    if tls:
        able = [replace(one, transport=how) for one in able for how in TRANSPORTS]
    again = [replace(service, again=True) for service in able if service.name in profile.again]
    return Part(profile, able + again, left_out, found)
