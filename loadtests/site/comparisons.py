"""Any two runs beside each other, worked out in advance: a small file for each two.

The statistics are those of `make compare`, and so are the reasons not to compare; the page only
shows what stands in the file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from math import log
from typing import Any

from loadtests.compare.comparable import obstacles
from loadtests.compare.differences import Difference, differences
from loadtests.report.results import facts
from loadtests.report.results.stored import Entry
from loadtests.site.pages import slug

MOST_BYTES = 500_000  # of all files together; what is older is left to `make compare`
BETTER, WORSE, NOISE = "better", "worse", "within noise"


@dataclass(frozen=True)
class Two:
    """Two runs, `a` the older one."""

    a: Entry
    b: Entry

    @property
    def path(self) -> str:
        return f"compare/{slug(self.a.folder.name)}--{slug(self.b.folder.name)}.js"

    @property
    def why_not(self) -> list[str]:
        return obstacles(self.a.run, self.b.run)


def of_each(entries: list[Entry]) -> list[Two]:
    """Every two of the runs, those with the newest first."""
    ordered = sorted(entries, key=lambda one: (one.started_at, one.folder.name), reverse=True)
    return [Two(a, b) for b, a in combinations(ordered, 2)]


def files(twos: list[Two]) -> dict[str, str]:
    """The file of each two runs, by its path."""
    found: dict[str, str] = {}
    left = MOST_BYTES
    for two in twos:
        text = _script(two, document(two))
        if len(text) > left:
            command = f"make compare A={two.a.folder.name} B={two.b.folder.name}"
            text = _script(two, {"why_not": [f"too much for this page; {command} says it"]})
        left -= len(text)
        found[two.path] = text
    return found


def document(two: Two) -> dict[str, Any]:
    """The reasons not to compare, or the figures of both, what differs most beyond noise first."""
    if why_not := two.why_not:
        return {"why_not": why_not}
    by_scenario = differences(two.a.run, two.b.run)
    every = [one for rows in by_scenario.values() for row in rows for one in row]
    compared = [one for one in every if one.ratio]
    if not compared:
        return {"why_not": ["no service has valid points of one scenario in both"]}
    compared.sort(key=lambda one: (one.within_noise, -_effect(one)))
    profiles = {row.scenario: row.profile for run in (two.a.run, two.b.run) for row in run.summary}
    verdicts = [verdict(one) for one in compared]
    counts = [f"{verdicts.count(word)} {word}" for word in (WORSE, BETTER, NOISE)]
    return {
        "head": f"{', '.join(counts)}.",
        "left_out": sum(any(side.text != facts.NOTHING for side in one.sides) for one in every)
        - len(compared),
        "rows": [_row(one, profiles[one.scenario]) for one in compared],
    }


def verdict(one: Difference) -> str:
    """In a word what became of a figure in B."""
    if one.within_noise or one.ratio is None:
        return NOISE
    return BETTER if (one.ratio > 1) == one.figure.more_is_better else WORSE


def _effect(one: Difference) -> float:
    return abs(log(one.ratio)) if one.ratio else 0.0


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
    """What a person chooses from: of each run its folder, and what it is in a line."""
    for entry in sorted(entries, key=lambda one: one.started_at, reverse=True):
        run = entry.run
        what = f"{facts.when(run.started_at)}, {run.profile}, {run.machine['name']}"
        yield {
            "folder": entry.folder.name,
            "file": slug(entry.folder.name),
            "title": f"{what}, commit {run.commit[:8]}",
        }
