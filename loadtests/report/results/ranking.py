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
    so of all of them. `rounds` is from how many valid rounds each has its figure, none for one
    that something else has set.
    """

    names: list[str]
    tied: Tied
    aside: Mapping[str, str] = field(default_factory=dict)
    bound: str = ""
    rounds: Mapping[str, int] = field(default_factory=dict)

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

    def cannot(self, *names: str) -> str:
        """The head of "which 3 rounds cannot tell apart", of services that are tied."""
        fewest = min((self.rounds.get(name, 0) for name in names), default=0)
        return (
            f"which {facts.rounds(fewest)} cannot tell" if fewest else "which the run cannot tell"
        )

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
    rounds = {name: rows[name].valid_rounds for name in names if name not in bounded}
    return Ranking(names, tied if bounded else noisy, aside, every, rounds)


def of_derived(part: Part, found: Mapping[str, Derived | None], services: Iterable[str]) -> Ranking:
    """The `services`, in their order, by a figure that several points give together."""
    aside = _aside(part)
    rounds = {name: one.rounds for name, one in found.items() if one and one.valid}
    names = [name for name in services if name in rounds and name not in aside]
    own = {name: rounds[name] for name in names}
    known = {name: len(each) for name, each in own.items()}
    return Ranking(names, noise.tied_rounds(own), aside, rounds=known)


def _aside(part: Part) -> dict[str, str]:
    floors = {name: FLOOR for name, mark in part.marks.items() if mark == FLOOR}
    return floors | dict.fromkeys(noise.doubles(part.run), AGAIN)


def contrast(ranking: Ranking, said: Mapping[str, str], first: str, last: str) -> str:
    """The ends of a ranking: 310 ms in sanic, the least; 912 ms in flask-threads, the most.

    `said` is what is said of each service. Those that cannot be told from the first or the last
    are named beside it, with the farthest figure; empty where nobody has a valid result.
    """
    names = ranking.names
    if not names:
        return ""
    if ranking.bound:
        return all_bound(ranking)
    if len(names) == 1:
        return f"{said[names[0]]} in {names[0]}"
    if ranking.all_tied():
        return _both(ranking, said, names[0], names[-1])
    best = _end(ranking, names[0], ranking.beside_first(), said, first)
    return f"{best}; {_end(ranking, names[-1], ranking.beside_last(), said, last)}"


def all_bound(ranking: Ranking) -> str:
    """A sentence on services that all came to a limit that is not theirs."""
    return f"set by {ranking.bound} in every service, so that no order follows"


def _both(ranking: Ranking, said: Mapping[str, str], one: str, other: str) -> str:
    apart = f"{ranking.cannot(one, other)} apart"
    return f"{said[one]} in {one} and {said[other]} in {other}, {apart}"


def _end(ranking: Ranking, name: str, beside: list[str], said: Mapping[str, str], word: str) -> str:
    if len(beside) == 1:
        return f"{_both(ranking, said, name, beside[0])}" + (f", {word}" if word else "")
    end = f", {word}" if word else ""
    return f"{said[name]} in {name}{end}" + not_told(ranking, name, beside, said)


def not_told(ranking: Ranking, name: str, beside: list[str], said: Mapping[str, str]) -> str:
    """The end of a sentence on a service that cannot be told from others, the farthest last."""
    if not beside:
        return ""
    head = ranking.cannot(name, *beside)
    return f", {head} from {listed(beside)}, the farthest at {said[beside[-1]]}"


def listed(names: list[str]) -> str:
    """Names in a sentence; of many how many they are."""
    return facts.joined(names) if len(names) <= MOST_NAMES else f"{len(names)} others"
