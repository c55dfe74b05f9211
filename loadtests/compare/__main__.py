"""`make compare A=<run> B=<run> [FAIL_ABOVE=5%] [FORCE=1]`: Markdown on stdout, an exit status."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from loadtests.catalog import ROOT
from loadtests.compare.comparable import NoSuchRun, find, obstacles
from loadtests.compare.differences import Difference, differences, floor, scenarios
from loadtests.record import InvalidRun, Run, load
from loadtests.report import facts

NOISE = "within noise"


class BadThreshold(ValueError):
    """A FAIL_ABOVE that is no percentage."""


def main() -> int:
    """Compare two runs.

    0, or 1 where B is worse than A by more than FAIL_ABOVE and beyond noise. 2
    and one line for runs that are not there, or not comparable unless forced.
    """
    parser = argparse.ArgumentParser(prog="python -m loadtests.compare")
    for name in ("a", "b"):
        parser.add_argument(name, nargs="?", default="")
    for name in ("--fail-above", "--force"):
        parser.add_argument(name, default="")
    parser.add_argument("--results", type=Path, default=ROOT / "results")
    given = parser.parse_args()
    try:
        threshold = percentage(given.fail_above)
        a, b = (load(find(name.strip(), given.results)) for name in (given.a, given.b))
    except (NoSuchRun, InvalidRun, BadThreshold) as error:
        print(str(error).replace("\n", " "), file=sys.stderr)
        return 2
    between = obstacles(a, b)
    forced = given.force not in ("", "0")
    if between and not forced:
        print(f"not comparable: {'; '.join(between)}; FORCE=1 compares them", file=sys.stderr)
        return 2
    by_scenario = {name: list(differences(a, b, name)) for name in scenarios(a, b)}
    found = [one for rows in by_scenario.values() for row in rows for one in row]
    print("\n".join(_markdown(a, b, between, by_scenario)))
    if all(one.ratio is None for one in found):
        print("nothing was compared: no service has valid points in both runs", file=sys.stderr)
        return 2
    return _judged(found, threshold)


def percentage(text: str) -> float | None:
    """0.05 for `5%`, None for nothing; BadThreshold for anything else."""
    if not text.strip():
        return None
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", text.strip())
    if match is None:
        raise BadThreshold(f"FAIL_ABOVE must be a percentage like 5%, not {text!r}")
    return float(match[1]) / 100


def _judged(found: list[Difference], threshold: float | None) -> int:
    """The exit status; a line on stderr for each figure that is worse by more than allowed."""
    worse = [] if threshold is None else [one for one in found if one.worse > threshold]
    for one in worse:
        values = " → ".join(side.text for side in one.sides)
        share = f"{100 * one.worse:.3g} % worse in B"
        where = f"{one.service}, {one.scenario}"
        print(f"{where}: {one.figure.name} is {share} ({values})", file=sys.stderr)
    return 1 if worse else 0


def _markdown(
    a: Run, b: Run, between: list[str], by_scenario: dict[str, list[list[Difference]]]
) -> Iterable[str]:
    found = [one for rows in by_scenario.values() for row in rows for one in row]
    compared = [one for one in found if one.ratio is not None]
    beyond = sum(not one.within_noise for one in compared)
    yield "# A against B"
    yield ""
    yield from _table(
        ["", "A", "B"],
        [
            ["profile", a.profile, b.profile],
            ["started", facts.when(a.started_at), facts.when(b.started_at)],
            ["commit", a.commit[:12], b.commit[:12]],
            ["verdict", facts.verdict(a), facts.verdict(b)],
        ],
    )
    yield ""
    if between:
        yield f"**Compared although they are not comparable: {'; '.join(between)}.**"
        yield ""
    for line in dict.fromkeys(_floors(a, b, name, rows) for name, rows in by_scenario.items()):
        yield line
        yield ""
    yield (
        f"{beyond} of {len(compared)} figures differ beyond noise, in bold. Ratios are those of "
        "the medians, B ÷ A, in brackets the bootstrap interval over the rounds. A figure is "
        "within noise where the intervals of both medians overlap, or where they differ by no more "
        "than the noise floor. How far the machine drifted between the two runs is in no interval. "
        "What is missing, invalid or a lower bound (≥) is not compared."
    )
    for scenario, rows in by_scenario.items():
        yield ""
        yield f"## {scenario}"
        yield ""
        yield from _scenario(rows, facts.marks(a) | facts.marks(b))


def _floors(a: Run, b: Run, scenario: str, rows: list[list[Difference]]) -> str:
    """The noise floor of a scenario's profile, the same for all scenarios of it."""
    summary = a.summary + b.summary
    profile = next(row.profile for row in summary if row.scenario == scenario)
    floors = {one.figure.name: floor(a, b, scenario, one.figure.field) for one in rows[0]}
    known = [f"{100 * most:.2g} % in {name}" for name, most in floors.items() if most is not None]
    unknown = "not known, as no service has valid results under two names"
    return f"- Noise floor of {profile}: {facts.joined(known) if known else unknown}."


def _scenario(rows: list[list[Difference]], marks: dict[str, str]) -> Iterable[str]:
    """A row a service, three columns a figure; without figures that nobody has."""
    kept = [
        place
        for place in range(len(rows[0]))
        if any(side.text != facts.NOTHING for row in rows for side in row[place].sides)
    ]
    head = ["service"]
    for place in kept:
        head += [f"{rows[0][place].figure.title} in A", "in B", "B ÷ A"]
    cells = [
        [_marked(row[0].service, marks)]
        + [text for p in kept for text in (*(side.text for side in row[p].sides), _ratio(row[p]))]
        for row in rows
    ]
    yield from _table(head, cells)


def _marked(service: str, marks: dict[str, str]) -> str:
    return f"{service} *{marks[service]}*" if service in marks else service


def _ratio(one: Difference) -> str:
    if one.ratio is None:
        return facts.NOTHING
    lies = one.interval
    text = facts.number(one.ratio)
    if lies and facts.number(lies.low) != facts.number(lies.high):
        text += f" [{facts.number(lies.low)}–{facts.number(lies.high)}]"
    return f"{text} {NOISE}" if one.within_noise else f"**{text}**"


def _table(head: list[str], rows: list[list[str]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield f"| {' | '.join(['---', *['---:'] * (len(head) - 1)])} |"
    for row in rows:
        yield f"| {' | '.join(row)} |"


if __name__ == "__main__":
    sys.exit(main())
