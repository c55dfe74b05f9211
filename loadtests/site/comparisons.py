"""Any two runs beside each other, worked out in advance: a small file for each two.

The statistics are those of `make compare`, and so are the reasons not to compare; the page only
shows what stands in the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

from loadtests.compare.comparable import obstacles, other_profiles
from loadtests.compare.comparison import Comparison, verdict
from loadtests.compare.differences import Difference
from loadtests.report.results import facts
from loadtests.report.results.stored import Entry
from loadtests.site.pages import slug

MOST_BYTES = 500_000  # of all files together; what is older is left to `make compare`


@dataclass(frozen=True)
class Two:
    """Two runs, `a` the older one."""

    a: Entry
    b: Entry

    @property
    def path(self) -> str:
        return f"compare/{slug(self.a.folder.name)}--{slug(self.b.folder.name)}.js"

    @cached_property
    def document(self) -> dict[str, Any]:
        """The reasons not to compare, or the figures of both, what differs most first."""
        # Where not even the profile is the same, nothing else is worth its place.
        if other := other_profiles(self.a.run, self.b.run):
            return {"why_not": [other]}
        if why_not := obstacles(self.a.run, self.b.run):
            return {"why_not": why_not}
        found = Comparison(self.a.run, self.b.run, [])
        if not found.compared:
            return {"why_not": ["no service has valid points of one scenario in both"]}
        told = sum(any(side.text != facts.NOTHING for side in one.sides) for one in found.found)
        profiles = {row.scenario: row.profile for run in (found.a, found.b) for row in run.summary}
        return {
            "head": f"{found.headline}.",
            "left_out": told - len(found.compared),
            "rows": [_row(one, profiles[one.scenario]) for one in found.by_effect],
        }


def of_each(entries: list[Entry]) -> list[Two]:
    """Every two of the runs, those with the newest first."""
    ordered = sorted(entries, key=lambda one: (one.started_at, one.folder.name), reverse=True)
    return [Two(a, b) for b, a in combinations(ordered, 2)]


def files(twos: list[Two]) -> dict[str, str]:
    """The file of each two runs, by its path."""
    found: dict[str, str] = {}
    left = MOST_BYTES
    for two in twos:
        text = _script(two, two.document)
        if len(text.encode()) > left:
            command = f"make compare A={two.a.folder.name} B={two.b.folder.name}"
            text = _script(two, {"why_not": [f"too much for this page; {command} says it"]})
        left -= len(text.encode())
        found[two.path] = text
    return found


def first(twos: list[Two]) -> Two | None:
    """The newest two that are comparable; None where no two are."""
    return next((two for two in twos if "rows" in two.document), None)


def _row(one: Difference, profile: str) -> list[str]:
    scenario = one.scenario if one.scenario.startswith(profile) else f"{profile} {one.scenario}"
    sides = [side.text for side in one.sides]
    ratio = facts.number(one.ratio)
    return [verdict(one), one.service, scenario, one.figure.title, *sides, ratio, _interval(one)]


def _interval(one: Difference) -> str:
    if one.interval is None:
        return ""
    low, high = map(facts.number, one.interval)
    return f"{low}–{high}" if low != high else ""


def _script(two: Two, about: dict[str, Any]) -> str:
    """A script, since a page that was opened as a file may not read other files."""
    text = json.dumps(about, separators=(",", ":"), ensure_ascii=False)
    return f"compared({json.dumps(two.path)},{text});\n"


def runs(entries: list[Entry]) -> Iterator[dict[str, str]]:
    """The runs that a person chooses from: the folder of each, and what it is in a line."""
    for entry in sorted(entries, key=lambda one: one.started_at, reverse=True):
        run = entry.run
        what = f"{facts.when(run.started_at)}, {run.profile}, {run.machine['name']}"
        yield {
            "folder": entry.folder.name,
            "file": slug(entry.folder.name),
            "title": f"{what}, commit {run.commit[:8]}",
        }
