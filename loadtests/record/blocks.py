"""The block model: which services of a run differ by more than its noise.

A round measures every service once, so what the machine did in it is in all of them:

    log figure = service + round + residual.

The residual is what chance did to one measurement. Services that are in the same state (at
their limit, out of CPU, neither) are noisy alike, so its variance is pooled over them: the
sum of its squares ÷ what is left of their number after a mean for each service and round.
Three rounds of one service tell next to nothing about it, of nine services a good deal.

Two services of a group differ by the mean of their differences in the rounds they share; its
standard error is √(2 × variance ÷ rounds). Services of two groups need not share what the
machine did, so there the effect of the round is noise, too, and each side has its own variance
(Welch). A service whose spread is far from that of the others (an F test, see STRANGE) is a
group of its own. A difference counts where it is farther from 0 than Tukey's range of as many
equal services as there are: of all pairs of equal services in a table, together, one or more is
called different in 5 of 100 tables.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import exp, log, sqrt
from statistics import fmean, median

from loadtests.record import residuals, tails
from loadtests.record.residuals import Rounds

FAMILY = 0.05  # of families of equal ones, those of which anything is called different
STRANGE = 0.01  # of groups of alike services, those of which one is put aside; shared among them
UNKNOWN = 2.0  # how many times the other a figure must be where no spread is known
EXACT = 0.001  # the least step of a figure of which nobody says how exactly it is known
ONE_STATE = ""


@dataclass(frozen=True)
class Noise:
    """The variance of a single measurement, from so many degrees of freedom."""

    variance: float
    degrees: float


@dataclass(frozen=True)
class Apart:
    """By how much two differ, the second less the first, with its standard error.

    The differences are of logarithms, but where figures are 0 or less.
    """

    difference: float
    error: float
    degrees: float

    def beyond(self, limit: float) -> bool:
        """True if the difference is more standard errors from 0 than that."""
        return abs(self.difference) > limit * self.error

    def ratio(self, share: float) -> tuple[float, float, float]:
        """Second ÷ first, and the ends of the interval that misses the truth in such a share."""
        middle, wide = self.difference, self.error * tails.t_limit(share, self.degrees)
        return exp(middle), exp(middle - wide), exp(middle + wide)


@dataclass(frozen=True)
class Group:
    """Services that are noisy alike: `within` is that after service and round, `alone` that of
    both, residual and round. None where no service has two rounds."""

    names: frozenset[str]
    within: Noise | None
    alone: Noise | None


class Block:
    """A figure of services over rounds; each value of `values` is that of a service.

    `states` are groups to begin with, `steps` how exactly each is known: 0.01 are 1 %. Of `again`
    are second measurements, by the service's name: they are noisy as it is, and not asked how
    noisy that is. Where no spread is known, a figure must be `unknown` times the other.
    """

    def __init__(
        self,
        values: Mapping[str, Rounds],
        states: Mapping[str, str] | None = None,
        steps: Mapping[str, float] | None = None,
        again: Mapping[str, str] | None = None,
        unknown: float = UNKNOWN,
    ) -> None:
        found = {name: rounds for name, rounds in values.items() if rounds}
        self.given = found
        self.logs = all(value > 0 for rounds in found.values() for value in rounds.values())
        unit = 1.0
        if not self.logs:
            unit = max(abs(value) for rounds in found.values() for value in rounds.values()) or 1.0
        self.values = {
            name: {at: log(value) if self.logs else value for at, value in rounds.items()}
            for name, rounds in found.items()
        }
        self.again = again or {}
        self.unknown = unknown
        self._least = {
            name: (unit * (steps or {}).get(name, EXACT)) ** 2 / 12 for name in self.values
        }
        of_state: dict[str, set[str]] = {}
        for name in sorted(self.values.keys() - self.again.keys()):
            of_state.setdefault((states or {}).get(name, ONE_STATE), set()).add(name)
        self.groups = [group for names in of_state.values() for group in self._split(names)]
        self._group = {name: group for group in self.groups for name in group.names}

    def group(self, name: str) -> Group | None:
        """The group of a service, or of the service that it is again: all equally noisy."""
        return self._group.get(self.again.get(name, name))

    def apart(self, one: str, other: str) -> Apart | None:
        """By how much two differ; None where no spread is known."""
        mine, its = self.group(one), self.group(other)
        if mine is None or its is None:
            return None
        first, second = self.values.get(one, {}), self.values.get(other, {})
        shared = first.keys() & second.keys()
        if mine is its and mine.within and shared:
            differences = [second[at] - first[at] for at in shared]
            error = sqrt(2 * mine.within.variance / len(shared))
            return Apart(fmean(differences), error, mine.within.degrees)
        return unpaired(first, second, mine.alone, its.alone)

    def tied(self, one: str, other: str) -> bool:
        """True if the run cannot tell two services apart, in one table of all of them."""
        if one not in self.values or other not in self.values:
            return True
        middles = median(self.given[one].values()), median(self.given[other].values())
        apart = self.apart(one, other)
        if apart is None:
            low, high = sorted(middles)
            return not high > self.unknown * low > 0
        size = max(2, len(self._group))
        limit = tails.range_limit(FAMILY, size, max(1, int(apart.degrees))) / sqrt(2)
        # The medians say which is better: the means must agree.
        agree = (middles[1] - middles[0]) * apart.difference > 0
        return not (apart.beyond(limit) and agree)

    def _split(self, names: set[str]) -> Iterator[Group]:
        """A group of those that are noisy alike, and one of each that is far from them."""
        names = set(names)
        while len(names) > 2:
            chances = {name: self._alike(name, names - {name}) for name in sorted(names)}
            least = min(chances, key=lambda name: chances[name])
            if chances[least] >= STRANGE / len(names):
                break
            names.remove(least)
            yield self._grouped({least})
        yield self._grouped(names)

    def _alike(self, name: str, others: set[str]) -> float:
        """How often a service as noisy as `others` is as far from their spread as this one."""
        theirs = {other: self.values[other] for other in sorted(others)}
        left, rounds = residuals.fitted(theirs)
        degrees = residuals.degrees(theirs)
        own = [value - rounds[at] for at, value in self.values[name].items() if at in rounds]
        if len(own) < 2 or degrees < 1:
            return 1.0
        expected = max(residuals.squares(left) / degrees, self._floor(others))
        expected *= 1 + 1 / len(others)  # the rounds are estimated from the others
        found = max(residuals.about_mean(own) / (len(own) - 1), self._floor({name}))
        above = tails.f_above(found / expected, len(own) - 1, degrees)
        return 2 * min(above, 1 - above)

    def _grouped(self, names: set[str]) -> Group:
        values = {name: self.values[name] for name in sorted(names)}
        free = sum(len(rounds) - 1 for rounds in values.values())
        if not free:
            return Group(frozenset(names), None, None)
        least = self._floor(names)
        alone = max(
            sum(residuals.about_mean(list(one.values())) for one in values.values()) / free, least
        )
        if len(names) == 1:
            noise = Noise(alone, free)
            return Group(frozenset(names), noise, noise)
        left, rounds = residuals.fitted(values)
        degrees = residuals.degrees(values)
        if not degrees:
            return Group(frozenset(names), None, Noise(alone, max(1, len(rounds) - 1)))
        within = max(residuals.squares(left) / degrees, least)
        # Degrees of freedom of both: the residual's share is known from many, the round's from few.
        ours = within * (1 - 1 / len(names))
        shared = max(alone - ours, 0.0)
        known = ours**2 / degrees + shared**2 / max(1, len(rounds) - 1)
        return Group(
            frozenset(names), Noise(within, degrees), Noise(alone, max(1.0, alone**2 / known))
        )

    def _floor(self, names: Iterable[str]) -> float:
        """The variance of rounding: nobody is less noisy than the steps of the figure."""
        return fmean(self._least[name] for name in names)


def unpaired(first: Rounds, second: Rounds, one: Noise | None, other: Noise | None) -> Apart | None:
    """By how much two differ that do not share what their rounds did to them (Welch)."""
    if one is None or other is None or not first or not second:
        return None
    parts = [(n.variance / len(rounds), n) for n, rounds in ((one, first), (other, second))]
    whole = sum(part for part, _ in parts)
    degrees = whole**2 / sum(part**2 / noise.degrees for part, noise in parts)
    return Apart(fmean(second.values()) - fmean(first.values()), sqrt(whole), degrees)
