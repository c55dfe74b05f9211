"""The named workloads of `profiles.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

PROFILES = Path(__file__).with_name("profiles.toml")


class UnknownProfile(ValueError):
    """A profile that is not there, or not as it must be."""


@dataclass(frozen=True)
class Profile:
    """A closed workload: each number of users for `rounds` rounds; times in seconds."""

    name: str
    title: str
    users: tuple[int, ...]
    delay_s: float
    rounds: int
    warmup_s: float
    window_s: float

    def __post_init__(self) -> None:
        if not 0.001 <= self.delay_s <= 60:
            raise UnknownProfile(f"{self.name}: delay_s must be from 0.001 to 60")
        if self.warmup_s < 0:
            raise UnknownProfile(f"{self.name}: warmup_s must not be negative")
        cycles = self.window_s / self.delay_s
        if abs(cycles - round(cycles)) > 1e-9 or cycles < 1:
            raise UnknownProfile(f"{self.name}: window_s must be a whole number of delay_s")
        if not self.users or sorted(set(self.users)) != list(self.users) or self.users[0] < 1:
            raise UnknownProfile(f"{self.name}: users must rise from 1 or more")
        if self.rounds < 1:
            raise UnknownProfile(f"{self.name}: rounds must be 1 or more")

    def scenario(self, users: int) -> str:
        """The name of one of its points."""
        return f"{users}-users-{self.delay_s * 1000:g}ms"

    def seconds(self, services: int) -> float:
        """How long the windows and warm-ups of a run over so many services take at least."""
        window = self.delay_s + self.warmup_s + self.window_s
        return services * self.rounds * len(self.users) * window


def load(name: str, path: Path = PROFILES) -> Profile:
    """Read one profile; UnknownProfile lists those there are."""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    if name not in tables:
        raise UnknownProfile(f"no profile {name!r}; there are: {', '.join(tables)}")
    table = tables[name]
    try:
        return Profile(name=name, **{**table, "users": tuple(table["users"])})
    except (KeyError, TypeError) as error:
        raise UnknownProfile(f"profile {name!r} in {path.name}: {error}") from error
