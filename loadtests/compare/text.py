"""A comparison for a terminal, of any width, and as JSON for a program."""

from __future__ import annotations

import json
from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from loadtests.compare.comparison import Comparison, percent, verdict
from loadtests.compare.differences import Difference
from loadtests.record import Run
from loadtests.report.results import facts

STYLES = {"worse": "red", "better": "green"}


def show(found: Comparison, console: Console) -> None:
    """Print how many figures are worse and better, and each of them, the largest effect first."""
    console.print(found.headline, style="bold")
    for name, run in (("A", found.a), ("B", found.b)):
        about = f"{name}  {run.profile}, {facts.when(run.started_at)}, commit {run.at_commit}"
        console.print(f"{about}, {facts.verdict(run)}")
    if found.between:
        reasons = "; ".join(found.between)
        console.print(f"Compared although they are not comparable: {reasons}.")
    for word, some in (("worse", found.worse), ("better", found.better)):
        if some:
            console.print()
            console.print(_table(word, some))
    console.print()
    console.print(found.caution)


def _table(word: str, some: list[Difference]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="", title_justify="left")
    table.add_column(f"{word} in B", justify="right", style=STYLES[word], no_wrap=True)
    for name in ("figure", "service", "scenario"):
        table.add_column(name, overflow="fold")
    table.add_column("A → B", justify="right", overflow="fold")
    for one in some:
        values = " → ".join(side.text for side in one.sides)
        unit = f" {one.figure.unit}" if one.figure.unit else ""
        table.add_row(percent(one), one.figure.name, one.service, one.scenario, values + unit)
    return table


def as_json(found: Comparison) -> str:
    """Everything in one object: the counts, the two runs, and every figure."""
    worse, better = found.worse, found.better
    compared = len(found.compared)
    return json.dumps(
        {
            "worse": len(worse),
            "better": len(better),
            "within_noise": compared - len(worse) - len(better),
            "not_compared": len(found.found) - compared,
            "obstacles": found.between,
            "a": _run(found.a),
            "b": _run(found.b),
            "figures": list(_figures(found)),
        },
        indent=1,
    )


def _run(run: Run) -> dict[str, str]:
    return {"profile": run.profile, "started_at": run.started_at, "commit": run.commit}


def _figures(found: Comparison) -> Iterator[dict[str, object]]:
    for one in found.found:
        yield {
            "service": one.service,
            "scenario": one.scenario,
            "figure": one.figure.name,
            "unit": one.figure.unit,
            "a": one.sides[0].text,
            "b": one.sides[1].text,
            "ratio": one.ratio,
            "interval": one.interval,
            "verdict": "not compared" if one.ratio is None else verdict(one),
        }
