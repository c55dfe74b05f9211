"""The named workloads of `profiles.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, asdict, dataclass, fields
from itertools import chain, groupby
from pathlib import Path
from typing import Any

from loadtests.catalog import PROCESSES, ROOT
from loadtests.errors import UsageError, meant
from loadtests.workloads import KINDS
from loadtests.workloads.kind import Kind, Settings, Step, is_multiple, positive

PROFILES = ROOT / "loadtests" / "profiles.toml"
GENERATOR_START_S = 1.5  # Python and Locust, before anything is sent
CONNECTION_S = 0.001


class UnknownProfile(UsageError):
    """A profile that is not there, or not as it must be."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A workload, measured for `rounds` rounds; times in seconds, rates in requests/s.

    `kind` says what `settings` it has. `services` are those that are measured where
    nobody names any, all where it is empty; those named `again` take two turns a
    round, under two names; `concurrency` and `backend_timeout_s` are what they are
    started with where nobody says.
    """

    name: str
    title: str
    kind: str
    rounds: int
    warmup_s: float
    window_s: float
    settings: Settings
    services: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    concurrency: int | None = None
    backend_timeout_s: int | None = None

    def __post_init__(self) -> None:
        for mistake in chain(self._mistakes(), self.settings.mistakes(self.window_s)):
            if mistake:
                raise UnknownProfile(f"{self.name}: {mistake}")
        # Then no user can complete one request more than the delay allows in a
        # window, whatever instant it started at.
        for step in self.steps():
            request_s = self.of_kind.waits * self.delay_s_of(step)
            if request_s and not is_multiple(self.window_s, request_s):
                raise UnknownProfile(
                    f"{self.name}: window_s must be a whole number of delay_s, "
                    f"{request_s:g} s a request"
                )

    def _mistakes(self) -> list[str]:
        timeout_s = self.backend_timeout_s
        return [
            "rounds must be 1 or more" if self.rounds < 1 else "",
            "warmup_s must not be negative" if self.warmup_s < 0 else "",
            positive("window_s", self.window_s),
            "backend_timeout_s must be more than delay_s"
            if timeout_s is not None and timeout_s <= self.delay_s
            else "",
        ]

    @property
    def of_kind(self) -> Kind:
        """The rules that it shares with others of its kind."""
        return KINDS[self.kind]

    @property
    def delay_s(self) -> float:
        """How long the backend takes to answer; 0 where steps differ in it, or have none."""
        delay_s: float = getattr(self.settings, "delay_s", 0.0)
        return delay_s

    @property
    def is_spread(self) -> bool:
        """Whether a service has all cores that the load leaves it."""
        return self.of_kind.spread or getattr(self.settings, "all_cores", False)

    def delay_s_of(self, step: Step) -> float:
        """How long it takes in a step."""
        return self.delay_s if step.delay_s is None else step.delay_s

    def steps(self, model: str = "") -> list[Step]:
        """The steps of each round, in this order, of a service with this model."""
        steps = list(self.settings.steps(self.name))
        if all(step.workers for step in steps):  # how many processes is what is compared
            return steps
        in_processes = model == PROCESSES and any(step.workers for step in steps)
        return [step for step in steps if (step.workers is not None) == in_processes]

    def starts(self, model: str = "") -> list[list[Step]]:
        """Its steps by the starts of the service: one for all that are alike in what needs one."""

        def needs(step: Step) -> object:
            return None if self.of_kind.drawn else step.delay_s, step.settings()

        return [list(alike) for _, alike in groupby(self.steps(model), needs)]

    def flat(self) -> dict[str, Any]:
        """Name, title and all settings beside each other, as profiles.toml has them."""
        flat = asdict(self)
        settings = flat.pop("settings")
        return {**flat, **settings}

    def description(self) -> dict[str, Any]:
        """Its settings for the record of a run, without those it does not have."""
        given = {key: value for key, value in self.flat().items() if value not in ((), None, 0)}
        del given["name"]
        return {**given, "warmup_s": self.warmup_s}

    def straight_s(self) -> float:
        """How long it needs before the first round without any service, where it can do that."""
        return self.turn_s() if self.of_kind.straight else 0.0

    def turn_s(self, model: str = "") -> float:
        """How long the generator needs at least for one service in one round."""
        steps, starts = self.steps(model), len(self.starts(model))
        windows_s = len(steps) * (self.warmup_s + self.window_s)
        # Users begin spread over a delay; what is held ends together.
        wait_s = sum(map(self.delay_s_of, steps)) if self.of_kind.timed else self.delay_s * starts
        most = max(step.users for step in steps) + max(step.idle_connections for step in steps)
        each_start_s = GENERATOR_START_S + most * CONNECTION_S
        searches_s = len(steps) * self.of_kind.search_s
        return windows_s + wait_s + starts * each_start_s + searches_s


def select(name: str, path: Path = PROFILES) -> list[Profile]:
    """The profiles that `PROFILE=name` stands for; UnknownProfile lists those there are."""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    if name not in tables:
        said = f"no profile {name!r}; there are: {', '.join(tables)}"
        raise UnknownProfile(said + meant(name, tables))
    if "suite" in tables[name]:
        parts = tables[name]["suite"].items()
        given = {
            part: {key: about[key] for key in about if key != "minutes"} for part, about in parts
        }
        return [made(part, **(tables[part] | about)) for part, about in given.items()]
    several = tables[name].get("profiles")
    if several is None:
        return [made(name, **tables[name])]
    return [profile for part in several for profile in select(part, path)]


def made(name: str, *, kind: str = "delay", **given: Any) -> Profile:
    """A profile from what its table in profiles.toml holds, all settings beside each other."""
    if kind not in KINDS:
        raise UnknownProfile(f"{name}: kind must be one of {', '.join(KINDS)}, not {kind!r}")
    given = {
        key: tuple(value) if isinstance(value, list) else value for key, value in given.items()
    }
    settings = KINDS[kind].settings
    own = fields(settings)
    common = [f for f in fields(Profile) if f.name not in ("name", "kind", "settings")]
    missing = [f.name for f in common if f.default is MISSING and f.name not in given]
    missing += [f.name for f in own if f.default is MISSING and not given.get(f.name)]
    strange = given.keys() - {f.name for f in (*own, *common)}
    if missing:
        raise UnknownProfile(f"{name}: a profile of the kind {kind} needs {', '.join(missing)}")
    if strange:
        wrong = ", ".join(sorted(strange))
        raise UnknownProfile(f"{name}: {wrong}: not for a profile of the kind {kind}")
    of_kind = {f.name: given.pop(f.name) for f in own if f.name in given}
    try:
        return Profile(name=name, kind=kind, settings=settings(**of_kind), **given)
    except TypeError as error:  # of a value, such as a text where a number belongs
        raise UnknownProfile(f"{name}: {error}") from error
