"""The named workloads of `profiles.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from itertools import groupby, pairwise
from math import inf
from pathlib import Path
from typing import Any

from loadtests.bench.kinds import KINDS, Kind, Step
from loadtests.catalog import PROCESSES, ROOT

PROFILES = ROOT / "loadtests" / "profiles.toml"
GENERATOR_START_S = 1.5  # Python and Locust, before anything is sent


class UnknownProfile(ValueError):
    """A profile that is not there, or not as it must be."""


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A workload, measured for `rounds` rounds; times in seconds, rates in requests/s.

    `kind` says what else it has: those settings in KINDS, and no other ones.
    `services` are those that are measured where nobody names any, all where it
    is empty; the one named `again` takes two turns a round, under two names;
    `burst_ms` is how long the CPU is used at a time: the run finds out how many
    `cycles` that takes, where they are not given;
    `processes` are held in the place of `held` by those that wait in processes;
    `concurrency` and `backend_timeout_s` are what they are started with where
    nobody says.
    """

    name: str
    title: str
    kind: str = "delay"
    rounds: int
    warmup_s: float
    window_s: float
    delay_s: float = 0.0
    users: tuple[int, ...] = ()
    connections: tuple[int, ...] = ()
    burst_ms: float = 0.0
    cycles: int = 0
    size: int = 0
    rate_rps: float = 0.0
    heavy_rate_rps: float = 0.0
    deliveries_rps: float = 0.0
    rates: tuple[float, ...] = ()
    delays: tuple[float, ...] = ()
    held: tuple[int, ...] = ()
    processes: tuple[int, ...] = ()
    stall_s: float = 0.0
    limit_ms: float = 0.0
    services: tuple[str, ...] = ()
    again: str | None = None
    concurrency: int | None = None
    backend_timeout_s: int | None = None

    def __post_init__(self) -> None:
        for wrong, reason in self._wrong():
            if wrong:
                raise UnknownProfile(f"{self.name}: {reason}")

    def _wrong(self) -> list[tuple[bool, str]]:
        if self.kind not in KINDS:
            return [(True, f"kind must be one of {', '.join(KINDS)}, not {self.kind!r}")]
        kind = KINDS[self.kind]
        one_delay = kind.calls and "delays" not in kind.settings
        settings = (*kind.settings, *(["delay_s"] if one_delay else []))
        given = {name: getattr(self, name) for name in _SETTINGS}
        missing = [name for name in settings if not given[name]]
        known = {*settings, *kind.optional}
        strange = [name for name, value in given.items() if value and name not in known]
        periods_s = [delay_s * kind.waits for delay_s in self.delays or (self.delay_s,)]
        cut = [s for s in periods_s if s > 0 and not _is_multiple(self.window_s, s)]
        return [
            (
                self.delay_s != 0 and not 0.001 <= self.delay_s <= 60,
                "delay_s must be from 0.001 to 60",
            ),
            (self.rounds < 1, "rounds must be 1 or more"),
            (
                self.backend_timeout_s is not None and self.backend_timeout_s <= self.delay_s,
                "backend_timeout_s must be more than delay_s",
            ),
            (self.stall_s >= self.window_s > 0, "stall_s must be less than window_s"),
            (self.warmup_s < 0, "warmup_s must not be negative"),
            (self.window_s <= 0, "window_s must be positive"),
            (bool(missing), f"a profile of the kind {self.kind} needs {', '.join(missing)}"),
            (bool(strange), f"{', '.join(strange)}: not for a profile of the kind {self.kind}"),
            # Then no user can complete one request more than the delay allows in a
            # window, whatever instant it started at.
            (
                bool(cut),
                f"window_s must be a whole number of delay_s, {max(cut, default=0):g} s a request",
            ),
            (not _rises(self.users, 1), "users must rise from 1 or more"),
            (not _rises(self.connections, 0), "connections must rise from 0 or more"),
            (not _rises(self.held, 0), "held must rise from 0 or more"),
            (not _rises(self.processes, 1), "processes must rise from 1 or more"),
            (not _rises(self.rates, 1), "rates must rise from 1 or more"),
            (not _rises(self.delays, 0.001), "delays must rise from 0.001 or more"),
            (1 in self.connections and self.kind == "chat", "nobody hears the only connection"),
            (any(given[name] < 0 for name in _NUMBERS), "rates, sizes and times must be positive"),
        ]

    @property
    def of_kind(self) -> Kind:
        """What it has in common with others of its kind."""
        return KINDS[self.kind]

    def steps(self, model: str = "") -> list[Step]:
        """What is measured in each round, in this order, of a service with this model."""
        steps = list(self.of_kind.steps(self))
        in_processes = bool(self.processes) and model == PROCESSES
        return [step for step in steps if (step.workers is not None) == in_processes]

    def starts(self, model: str = "") -> list[list[Step]]:
        """Its steps by the starts of the service: one for all that are alike in what needs one."""
        steps = groupby(self.steps(model), lambda step: (step.delay_s, step.workers))
        return [list(alike) for _, alike in steps]

    def settings(self) -> dict[str, Any]:
        """Its settings for the record of a run, without those it does not have."""
        given = {key: value for key, value in asdict(self).items() if value not in ((), None, 0)}
        del given["name"]
        return {**given, "warmup_s": self.warmup_s}

    def turn_s(self, model: str = "") -> float:
        """How long the generator needs at least for one service in one round."""
        steps, starts = self.steps(model), len(self.starts(model))
        windows_s = len(steps) * (self.warmup_s + self.window_s)
        # Users begin spread over a delay; what is held ends together.
        begin_s = [self.delay_s if step.delay_s is None else step.delay_s for step in steps]
        wait_s = self.delay_s * starts if self.held else sum(begin_s)
        most = [max(given, default=0) for given in (self.users, self.connections, self.held)]
        each_start_s = GENERATOR_START_S + sum(most) * 0.001
        searches_s = len(steps) * self.of_kind.search_s
        return windows_s + wait_s + starts * each_start_s + searches_s


_NUMBERS = (
    *("burst_ms", "cycles", "size"),
    *("rate_rps", "heavy_rate_rps", "deliveries_rps", "stall_s", "limit_ms"),
)
_LISTS = ("users", "connections", "rates", "delays", "held", "processes")
_SETTINGS = ("delay_s", *_LISTS, *_NUMBERS)


def _is_multiple(whole_s: float, part_s: float) -> bool:
    parts = whole_s / part_s
    return round(parts) >= 1 and abs(parts - round(parts)) < 1e-9


def _rises(numbers: tuple[float, ...], lowest: float) -> bool:
    return all(a < b for a, b in pairwise((-inf, *numbers))) and min((*numbers, lowest)) >= lowest


def select(name: str, path: Path = PROFILES) -> list[Profile]:
    """The profiles that `PROFILE=name` stands for; UnknownProfile lists those there are."""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    if name not in tables:
        raise UnknownProfile(f"no profile {name!r}; there are: {', '.join(tables)}")
    several = tables[name].get("profiles")
    if several is None:
        return [_profile(name, tables[name], path)]
    return [profile for part in several for profile in select(part, path)]


def _profile(name: str, table: dict[str, Any], path: Path) -> Profile:
    known = {field.name for field in fields(Profile)}
    lists = {key: tuple(value) for key, value in table.items() if isinstance(value, list)}
    try:
        return Profile(name=name, **{**table, **lists})
    except TypeError as error:
        strange = ", ".join(sorted(table.keys() - known)) or error
        raise UnknownProfile(f"profile {name!r} in {path.name}: {strange}") from error
