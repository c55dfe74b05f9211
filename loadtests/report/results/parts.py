"""A run taken apart: one part for each profile that was measured in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

from loadtests.record import Point, Run, Spread, Summary
from loadtests.report.results import facts


@dataclass(frozen=True)
class Part:
    """The part of a run that is of one profile.

    `run` is the run with nothing else in it; its services are those that were
    measured, and after an interruption those that would have been. `cannot`
    holds the reason of each service that was left out of it, `marks` what those are that
    are not what people run. `prefix` tells the names of its charts from those of other parts.
    """

    name: str
    prefix: str
    kind: str
    settings: dict[str, Any]
    run: Run
    cannot: dict[str, str]
    marks: dict[str, str]

    @property
    def title(self) -> str:
        """The purpose of the profile, as profiles.toml has it."""
        return str(self.settings.get("title", ""))

    def perfect(self, scenario: str) -> dict[str, Any]:
        """The figures of a perfect service, the generator straight at the backend; may be empty."""
        found: dict[str, Any] = self.settings.get("perfect", {}).get(scenario, {})
        return found

    def services(self, best: Callable[[str], float | None]) -> list[str]:
        """All services: by `best`, lowest first; then those without it, by name.

        One that was measured again is followed by its second measurement.
        """

        def rank(name: str) -> tuple[bool, float, str]:
            value = best(name)
            return (value is None, value or 0.0, name)

        return facts.with_doubles(self.run, sorted(facts.services(self.run), key=rank))

    def scenarios(self) -> list[str]:
        """All scenarios, the lightest load first."""
        loads = {
            row.scenario: (row.users, row.idle_connections, row.rate_rps or 0.0, row.delay_s)
            for row in self.run.summary
        }
        return sorted(loads, key=lambda name: (*loads[name], name))

    def rows(self, scenario: str) -> dict[str, Summary]:
        """The summaries of a scenario by service."""
        return {row.service: row for row in self.run.summary if row.scenario == scenario}

    def points(self, row: Summary) -> list[Point]:
        """The valid points of a summary."""
        alike = (
            p for p in self.run.points if (p.service, p.scenario) == (row.service, row.scenario)
        )
        return [point for point in alike if point.valid]

    def crowds(self) -> list[int]:
        """The numbers of idle connections that were measured."""
        return sorted({row.idle_connections for row in self.run.summary})

    def rates(self) -> list[int]:
        """The rates that were asked for, in whole requests/s."""
        return sorted({rate for _, rate in self.by_rate()})

    def by_rate(self) -> dict[tuple[str, int], Summary]:
        """The summaries by service and rate, of arrivals at random where there are others, too."""
        even = self._even()
        rated = ((row, row.rate_rps) for row in self.run.summary if row.scenario not in even)
        return {(row.service, round(rate)): row for row, rate in rated if rate}

    def evenly(self) -> list[Summary]:
        """The summaries of arrivals that came evenly."""
        return [row for row in self.run.summary if row.scenario in self._even()]

    def _even(self) -> set[str]:
        return {point.scenario for point in self.run.points if point.arrivals == "even"}

    def by_users(self) -> dict[tuple[str, int], Summary]:
        """The summaries by service and users, or requests held."""
        return {(row.service, row.users): row for row in self.run.summary}

    def by_crowd(self) -> dict[tuple[str, int], Summary]:
        """The summaries by service and idle connections."""
        return {(row.service, row.idle_connections): row for row in self.run.summary}

    def state(self, service: str) -> str:
        """Nothing where a summary is valid, else "invalid", "failed" or "missing"."""
        states = [facts.state(row) for row in self.run.summary if row.service == service]
        if "" in states:
            return ""
        return "missing" if not states else "invalid" if "invalid" in states else "failed"

    def remarks(self) -> list[Remark]:
        """Remarks on services that a reader of the tables needs, each of them once."""
        found: dict[str, list[str]] = {}
        for name in facts.services(self.run):
            for text in _peculiar(self.run.services.get(name, {})):
                found.setdefault(text, []).append(name)
        left_out: dict[str, list[str]] = {}
        for name, reason in self.cannot.items():
            left_out.setdefault(f"cannot do this: {reason}", []).append(name)
        return [
            *(Remark(facts.joined(names), text, True) for text, names in left_out.items()),
            *(Remark(facts.joined(names), text) for text, names in found.items()),
        ]

    def rounds(self, service: str) -> list[list[Point]]:
        """The points of a service, round by round."""
        found: dict[int, list[Point]] = {}
        for point in self.run.points:
            if point.service == service:
                found.setdefault(point.round, []).append(point)
        return [found[number] for number in sorted(found)]


@dataclass(frozen=True)
class Remark:
    """A remark on services; of those that `cannot` it is the verb of a sentence."""

    names: str
    text: str
    cannot: bool = False


def _peculiar(about: dict[str, Any]) -> list[str]:
    """The peculiarities of a service: its own limit, connections that it does not keep."""
    found = []
    exceptions, info = about.get("exceptions", {}), about.get("info") or {}
    if about.get("limit") and info.get("slots"):
        found.append(f"no more than {info['slots']:,} requests wait at once: {about['limit']}")
    if "client keep-alive" in exceptions:
        found.append(exceptions["client keep-alive"])
    return found


@dataclass(frozen=True)
class Derived:
    """A figure that several points give together, over rounds; `valid` as in a summary.

    `rounds` is what each of them gave, by its number.
    """

    spread: Spread
    valid: bool
    rounds: dict[int, float]


def derived(
    part: Part, service: str, figure: Callable[[list[Point]], float | None]
) -> Derived | None:
    """`figure` of the valid points of each round, or of all points where no round gives one."""
    for valid in (True, False):
        rounds = ([p for p in points if p.valid or not valid] for points in part.rounds(service))
        values = {
            points[0].round: value
            for points in rounds
            if points and (value := figure(points)) is not None
        }
        if values:
            return Derived(spread(values.values()), valid, values)
    return None


def spread(values: Iterable[float]) -> Spread:
    """Median, lowest and highest of what the rounds gave; ValueError where they gave nothing."""
    found = list(values)
    return Spread(median(found), min(found), max(found))


def scaled(value: Spread, scale: float) -> Spread:
    """A spread in another unit."""
    return Spread(value.median * scale, value.min * scale, value.max * scale)


def split(run: Run) -> list[Part]:
    """The parts of a run, in the order in which their profiles were given."""
    return [_part(run, name, settings) for name, settings in run.workloads.items()]


def _part(run: Run, name: str, settings: dict[str, Any]) -> Part:
    kind = settings["kind"]
    # Profiles of one run may be measured on several days, and each is kept when it is done.
    times = settings.get("measured") or {}
    times = {key: times[key] for key in ("started_at", "finished_at", "commit") if key in times}
    finished = times.get("finished_at", run.finished_at)
    points = [point for point in run.points if point.profile == name]
    measured = {point.service for point in points}
    left_out: dict[str, str] = settings.get("left_out", {})
    cannot = {name: left_out[name] for name in sorted(left_out) if name not in measured}
    # A profile may have services of its own. Who has no point in a finished run is none of them.
    chosen = {} if finished else dict.fromkeys(settings.get("services") or run.services)
    services = {
        service: about
        for service, about in run.services.items()
        if service in measured or (service in chosen and service not in cannot)
    }
    summary = [row for row in run.summary if row.profile == name]
    only = replace(
        run, workloads={name: settings}, points=points, summary=summary, services=services, **times
    )
    prefix = f"{name}-" if len(run.workloads) > 1 else ""
    return Part(name, prefix, kind, settings, only, cannot, facts.marks(run))


def valid_median(row: Summary | None, field: str) -> float | None:
    """The median of a figure; None where no round was valid."""
    found: Spread | None = getattr(row, field) if row and row.valid else None
    return found.median if found else None
