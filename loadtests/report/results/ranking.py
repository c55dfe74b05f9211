"""The order of services, as far as can be told: those within noise of each other share places."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from loadtests.catalog import FLOOR
from loadtests.record import noise
from loadtests.record.noise import Tied
from loadtests.report.results import facts
from loadtests.report.results.facts import NOTHING
from loadtests.report.results.parts import Derived, Part, valid_median

AGAIN = "again"
# The names of services that a sentence lists; of more it says how many they are.
MOST_NAMES = 3


@dataclass(frozen=True)
class Ranking:
    """Services with a valid result, the best first; `tied` says which are within noise.

    `aside` are those that compete with nobody, and why: a second measurement of one of
    them, or the floor. `bound` is what set the figures in the services' place, where that is
    so of all of them.
    """

    names: list[str]
    tied: Tied
    aside: Mapping[str, str] = field(default_factory=dict)
    bound: str = ""

    def place(self, name: str) -> str:
        """The places it may have: 1, or 2–4 where it cannot be told from its neighbours.

        As many are before it as are better beyond noise, and as many behind it
        as are worse beyond noise. A dash where it has no valid result.
        """
        if name in self.aside:
            return self.aside[name]
        if name not in self.names:
            return NOTHING
        at = self.names.index(name)
        better = [other for other in self.names[:at] if not self.tied(name, other)]
        worse = [other for other in self.names[at + 1 :] if not self.tied(name, other)]
        first, last = len(better) + 1, len(self.names) - len(worse)
        return str(first) if first == last else f"{first}–{last}"

    def beside_first(self) -> list[str]:
        """The services within noise of the first."""
        return [name for name in self.names[1:] if self.tied(self.names[0], name)]

    def beside_last(self) -> list[str]:
        """The services within noise of the last, the last but one first."""
        return [name for name in self.names[-2::-1] if self.tied(self.names[-1], name)]

    def all_tied(self) -> bool:
        """Whether not even the first and the last can be told from each other."""
        return len(self.names) > 1 and self.tied(self.names[0], self.names[-1])


def of_scenario(part: Part, scenario: str, figure: str, services: Iterable[str]) -> Ranking:
    """The `services`, in their order, by a figure of one scenario."""
    rows = part.rows(scenario)
    aside = _aside(part)
    names = [
        name
        for name in services
        if name not in aside and valid_median(rows.get(name), figure) is not None
    ]
    noisy = noise.tied(part.run, scenario, figure)
    bounded = {name for name in names if facts.at_least(rows[name], figure)}

    def tied(one: str, other: str) -> bool:
        """One that is behind with a lower bound may as well be before."""
        return max(one, other, key=names.index) in bounded or noisy(one, other)

    every = facts.bounds(rows[name] for name in names) if len(bounded) == len(names) else ""
    return Ranking(names, tied if bounded else noisy, aside, every)


def of_derived(part: Part, found: Mapping[str, Derived | None], services: Iterable[str]) -> Ranking:
    """The `services`, in their order, by a figure that several points give together."""
    aside = _aside(part)
    rounds = {name: one.rounds for name, one in found.items() if one and one.valid}
    names = [name for name in services if name in rounds and name not in aside]
    return Ranking(names, noise.tied_rounds({name: rounds[name] for name in names}), aside)


def _aside(part: Part) -> dict[str, str]:
    floors = {name: FLOOR for name, mark in part.marks.items() if mark == FLOOR}
    return floors | dict.fromkeys(noise.doubles(part.run), AGAIN)


def contrast(ranking: Ranking, said: Mapping[str, str], first: str, last: str) -> str:
    """The ends of a ranking: 310 ms in sanic, the least; 912 ms in flask-threads, the most.

    `said` is what is said of each service. Who is within noise of the first or
    the last is named beside it; empty where nobody has a valid result.
    """
    names = ranking.names
    if not names:
        return ""
    if ranking.bound:
        return all_bound(ranking)
    if ranking.all_tied():
        ends = (f"{said[name]} in {name}" for name in (names[0], names[-1]))
        return "{} and {}, within noise of each other".format(*ends)
    text = _end(names[0], ranking.beside_first(), said, first)
    if len(names) > 1:
        text += "; " + _end(names[-1], ranking.beside_last(), said, last)
    return text


def all_bound(ranking: Ranking) -> str:
    """A sentence on services that all came to a limit that is not theirs."""
    return f"set by {ranking.bound} in every service, so that no order follows"


def _end(name: str, beside: list[str], said: Mapping[str, str], word: str) -> str:
    shown = f"{said[name]} in {name}"
    if len(beside) == 1:
        (other,) = beside
        return f"{shown} and {said[other]} in {other}, within noise of each other, {word}"
    return f"{shown}, {word}" + (f", and within noise of it {listed(beside)}" if beside else "")


def listed(names: list[str]) -> str:
    """Names in a sentence; of many how many they are."""
    return facts.joined(names) if len(names) <= MOST_NAMES else f"{len(names)} others"
