"""Pairs of services that differ in one thing: what that thing alone changes.

Of other services several things differ at once, and what is between them is due to any of those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import log

from loadtests.catalog import TLS
from loadtests.report.results import facts, ranking
from loadtests.report.results.parts import Derived, Part
from loadtests.report.results.ranking import Ranking
from loadtests.report.tables.cells import Cell, Column, Table, service, table, text

# By what differs; the model is on one server, whose workers differ with it.
PAIRS = {
    "server": (
        ("flask-threads", "flask-granian"),
        ("flask-gevent", "flask-pywsgi"),
        ("fastapi", "fastapi-granian"),
        ("fastapi", "fastapi-gunicorn"),
    ),
    "model": (
        ("flask-threads", "flask-gevent"),
        ("flask-threads-requests", "flask-gevent-requests"),
        ("flask-threads-httpx2", "flask-gevent-httpx2"),
        ("django-threads-httpx2", "django-gunicorn-httpx2"),
    ),
    "client": (
        ("flask-threads", "flask-threads-requests"),
        ("flask-threads", "flask-threads-httpx2"),
        ("flask-gevent", "flask-gevent-requests"),
        ("flask-gevent", "flask-gevent-httpx2"),
        ("django-threads", "django-threads-httpx2"),
        ("fastapi", "fastapi-httpx"),
        ("fastapi", "fastapi-httpx2"),
        ("fastapi", "fastapi-pyqwest"),
        ("sanic", "sanic-httpx2"),
        ("tornado", "tornado-aiohttp"),
        ("tornado", "tornado-curl"),
    ),
    "loop": (
        ("scratch-epoll", "scratch-poll"),
        ("scratch-epoll", "scratch-select"),
    ),
}
CAPTION = "Pairs that differ in one thing"
NOISE = "within noise"


@dataclass(frozen=True)
class Measured:
    """A figure: its name, the medians of the services, and which of them can be told apart."""

    name: str
    values: Mapping[str, float]
    order: Ranking

    def times(self, one: str, other: str) -> float | None:
        """The second ÷ the first; None where one of them has no valid figure."""
        if not {one, other} <= {*self.order.names} & self.values.keys() or not self.values[one]:
            return None
        return self.values[other] / self.values[one]

    def rounds(self, one: str, other: str) -> int:
        """From how many rounds that is, of the one that has fewer."""
        return min(self.order.rounds[one], self.order.rounds[other])


def of_scenario(
    part: Part, name: str, scenario: str, field: str, order: Ranking | None = None
) -> Measured:
    """A field of the summaries of a scenario; those that something else has set are left out."""
    own = {
        service: row
        for service, row in part.rows(scenario).items()
        if getattr(row, field) and not facts.at_least(row, field)
    }
    order = order or ranking.of_scenario(part, scenario, field, own)
    return Measured(name, {one: getattr(row, field).median for one, row in own.items()}, order)


def of_derived(name: str, found: Mapping[str, Derived | None], order: Ranking) -> Measured:
    """A figure that several points give together."""
    return Measured(name, {one: of.spread.median for one, of in found.items() if of}, order)


def tables(part: Part, figures: list[Measured]) -> list[Table]:
    """A row for each pair of which both were measured; none where there is no pair."""

    def said(figure: Measured, one: str, other: str) -> Cell:
        times = figure.times(one, other)
        if times is None:
            return Cell(facts.NOTHING, number=True)
        tied = figure.order.tied(one, other)
        beside = f"{NOISE} of {facts.rounds(figure.rounds(one, other))}" if tied else ""
        return Cell(facts.times(times), beside, number=True)

    def column(figure: Measured) -> Column[tuple[str, str, str]]:
        return (figure.name, "second ÷ first", lambda pair: said(figure, pair[1], pair[2]))

    columns: list[Column[tuple[str, str, str]]] = [
        ("differs in", "", lambda pair: text(pair[0])),
        ("first", "", lambda pair: service(pair[1], part)),
        ("second", "", lambda pair: service(pair[2], part)),
        *map(column, figures),
    ]
    found = [pair for pair in _pairs(part) if any(f.times(*pair[1:]) is not None for f in figures)]
    return [table(CAPTION, columns, found, lambda _: "")] if found else []


def _pairs(part: Part) -> Iterator[tuple[str, str, str]]:
    for thing, pairs in _by_thing(part).items():
        yield from ((thing, one, other) for one, other in pairs)


def _by_thing(part: Part) -> dict[str, tuple[tuple[str, str], ...]]:
    """PAIRS, and those of one service on two interpreters, or without TLS and with it."""
    transports = [
        (label.partition("@")[0], label)
        for label, about in part.run.services.items()
        if about.get("transport") == TLS and "again_of" not in about
    ]
    marks: dict[str, list[str]] = {}
    for label, about in part.run.services.items():
        if "python" in about and "again_of" not in about:
            marks.setdefault(label.partition("@")[0], []).append(about["python"])
    found = [
        (f"{name}@{one}", f"{name}@{other}")
        for name, of_name in marks.items()
        for one, other in interpreter_pairs(of_name)
    ]
    return {**PAIRS, "interpreter": tuple(found), "transport": tuple(transports)}


def interpreter_pairs(marks: Iterable[str]) -> list[tuple[str, str]]:
    """Each with the next newer one; one without the GIL with its own, or the newest, with it."""

    def age(mark: str) -> list[int]:
        return [int(number) for number in mark.removesuffix("t").split(".")]

    every = sorted(marks, key=age)
    usual = [mark for mark in every if not mark.endswith("t")]
    found = list(pairwise(usual))
    for mark in every:
        own = mark.removesuffix("t")
        if mark != own and usual:
            found.append((own if own in usual else usual[-1], mark))
    return found


def finding(part: Part, figure: Measured, where: str, sure: bool = False) -> str:
    """The largest change that each thing makes, of stock services; empty where there is no pair.

    Where it has to be `sure`, those that make no change to be told are left out.
    """
    found = "; ".join(_widest(part, figure, sure))
    return found and f"With all else the same, {figure.name} {where} is {found}."


def _widest(part: Part, figure: Measured, only_sure: bool) -> Iterator[str]:
    """The largest change by each thing; last, of things for which none is known, all of them."""
    unsure: dict[tuple[str, str], str] = {}
    for thing, pairs in _by_thing(part).items():
        stock = [pair for pair in pairs if not part.marks.keys() & set(pair)]
        known = {pair: times for pair in stock if (times := figure.times(*pair))}
        said = {
            pair: f"{facts.times(times)} with {_swapped(part, thing, pair)}"
            for pair, times in known.items()
        }
        sure = [pair for pair in known if not figure.order.tied(*pair)]
        if sure:
            yield said[max(sure, key=lambda pair: abs(log(known[pair])))]
        else:
            unsure |= said
    if unsure and not only_sure:
        fewest = min(figure.rounds(*pair) for pair in unsure)
        are = "is" if fewest == 1 else "are"
        too_few = f"which {facts.rounds(fewest)} {are} too few to tell from no change"
        yield f"{facts.joined(list(unsure.values()))}, {too_few}"


def _swapped(part: Part, thing: str, pair: tuple[str, str]) -> str:
    """The thing of the second in place of that of the first, and which services those are."""
    field = {"loop": "server", "interpreter": "python"}.get(thing, thing)
    one, other = (str(part.run.services[name][field]).partition(",")[0] for name in pair)
    return f"{other} in place of {one} ({pair[1]} ÷ {pair[0]})"
