"""Families of services that differ in their client only, and whose clients are furthest apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from loadtests.record import Summary
from loadtests.report.results import facts
from loadtests.report.results.parts import Part

BARE = "bare"
FEW = 50  # users, at least, at which a request's CPU time is compared
NEAR = 0.9  # of the most that a client answers: then the CPU time decides
APART = 2.0  # times: clients that differ by more are told from each other without a ranking


@dataclass(frozen=True)
class Contrast:
    """Of a family at a number of users the client that answers least, and the best one.

    That is the cheapest of those that answer about as much as any.
    """

    worst: Summary
    best: Summary

    @property
    def times(self) -> float:
        """The rate of the best divided by that of the worst."""
        worst, best = rps(self.worst), rps(self.best)
        return best / worst if worst else float("inf") if best else 1.0


def client(part: Part, service: str) -> str:
    """The client of a service, in a word or two."""
    about = part.run.services[service]
    return BARE if about.get("kind") == BARE else str(about["client"]).partition(",")[0]


def members(part: Part) -> dict[str, list[str]]:
    """The services of each family, that with the most requests/s first.

    A family has one framework, server and way of waiting: its title has of them what tells
    it from others.
    """
    services = [name for name in facts.services(part.run) if name in part.run.services]
    of = {name: _family(part.run.services[name]) for name in services}
    most = levels(part)[-1] if part.run.summary else 0
    rows = part.by_users()

    def rank(name: str) -> tuple[str, tuple[str, ...], float, str]:
        row = rows.get((name, most))
        return (of[name][0].lower(), of[name], -rps(row) if row else 1.0, name)

    found: dict[str, list[str]] = {}
    for name in sorted(services, key=rank):
        found.setdefault(_title(of[name], set(of.values())), []).append(name)
    return found


def _family(about: dict[str, Any]) -> tuple[str, ...]:
    return (about["framework"], about["model"], about["server"])


def _title(family: tuple[str, ...], others: set[tuple[str, ...]]) -> str:
    """Flask; Flask, threads; Flask, threads, Granian."""
    size = next(n for n in (1, 2, 3) if sum(one[:n] == family[:n] for one in others) == 1)
    return ", ".join(family[:size])


def levels(part: Part) -> list[int]:
    """The numbers of users."""
    return sorted({row.users for row in part.run.summary})


def few(part: Part) -> int:
    """The number of users at which a request's CPU time is compared."""
    return next((users for users in levels(part) if users >= FEW), levels(part)[-1])


def rps(row: Summary) -> float:
    """Its answers a second."""
    return row.rps.median if row.rps else 0.0


def cpu_ms(row: Summary) -> float:
    """CPU time of a request; endless where there was none."""
    return row.cpu_ms_per_request.median if row.cpu_ms_per_request else float("inf")


def starved(row: Summary) -> bool:
    """Whether nobody had a right answer: that is a result, though there are no response times."""
    return row.rps is not None and row.rps.max == 0


def _known(row: Summary) -> bool:
    return row.valid or starved(row)


def _contrasts(part: Part, users: int) -> Iterator[Contrast]:
    """One of each family with at least two services that people run."""
    rows = part.by_users()
    for names in members(part).values():
        found = [rows[name, users] for name in names if (name, users) in rows]
        stock = [row for row in found if row.service not in part.marks and _known(row)]
        if len(stock) > 1:
            most = max(map(rps, stock))
            near = [row for row in stock if rps(row) >= NEAR * most]
            yield Contrast(min(stock, key=rps), min(near, key=cpu_ms))


def widest(part: Part) -> Contrast | None:
    """The widest contrast at the fewest users at which it is wide; None where nothing differs."""
    found: Contrast | None = None
    for users in [users for users in levels(part) if users >= FEW] or levels(part)[-1:]:
        found = max(_contrasts(part, users), key=lambda one: one.times, default=None)
        if found and found.times > APART:
            break
    return found
