"""What a run consists of: profiles, each over the services that can do it."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from loadtests import catalog, runtime
from loadtests.bench import profiles
from loadtests.bench.profiles import Profile, UnknownProfile
from loadtests.catalog import Service
from loadtests.runtime import Runtime


@dataclass(frozen=True)
class Part:
    """One profile of a run; `left_out` gives the reason of each service that is not in it.

    One of `services` may be there a second time, to be measured `again`.
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

    def description(self) -> dict[str, Any]:
        """Its settings, for the record of a run."""
        return {
            **self.profile.settings(),
            "route": self.profile.of_kind.route,
            "left_out": {service.name: reason for service, reason in self.left_out.items()},
        }


def parts(name: str, wanted: str, runtime_name: str, settings: dict[str, str]) -> list[Part]:
    """The parts of `PROFILE=name SERVICES=wanted RUNTIME=runtime_name`.

    `wanted` are the services instead of those that the profiles name. Raises
    UnknownProfile, also where no service is left, UnknownService, UnknownRuntime.
    """
    found = [_part(one, wanted, runtime_name, settings) for one in profiles.select(name)]
    if not any(part.services for part in found):
        reasons = "; ".join(f"{who.name}: {why}" for who, why in found[0].left_out.items())
        raise UnknownProfile(f"nothing is left of the profile {name!r}: {reasons}")
    return found


def _part(profile: Profile, wanted: str, runtime_name: str, settings: dict[str, str]) -> Part:
    route = profile.of_kind.route
    chosen = catalog.select(wanted.strip() or " ".join(profile.services))
    able = [service for service in chosen if service.has(route)]
    left_out = {one: f"it does not offer {route}" for one in chosen if one not in able}
    for name in ("concurrency", "backend_timeout_s"):
        if (wanted_here := getattr(profile, name)) and not os.environ.get(name.upper()):
            settings = {**settings, name.upper(): str(wanted_here)}
    again = [replace(service, again=True) for service in able if service.name == profile.again]
    return Part(profile, able + again, left_out, runtime.choose(runtime_name, able, settings))
