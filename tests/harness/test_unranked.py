"""Invalid results enter no ranking, however good they look, and are drawn hollow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import run_kinds
import runs
from pages import page
from test_sections import charts, hollow, spoiled

from loadtests.record import Run
from loadtests.report import sections
from loadtests.report.results import parts
from loadtests.report.results.ranking import Ranking
from loadtests.report.tables.cells import INVALID

KINDS = ["delay", *run_kinds.MAKERS]


def made(kind: str) -> Run:
    return runs.made_up() if kind == "delay" else run_kinds.run(kind)


def finding(run: Run) -> str:
    (part,) = parts.split(run)
    return sections.of(part).finding(part)


def names(name: str, text: str) -> bool:
    """True if `text` names a service, and not only one whose name begins or ends alike."""
    return re.search(rf"(?<![\w-]){name}(?![\w-])", text) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_the_headline_is_of_valid_services_only(kind: str, tmp_path: Path) -> None:
    named = [name for name in made(kind).services if names(name, finding(made(kind)))]
    assert named
    for name in named:
        bad = spoiled(made(kind), name, "the generator was busy")
        ranked, without, those = finding(bad).partition(" No round of ")
        assert not names(name, ranked)
        assert names(name, those) or not without
    tables = page(bad, tmp_path).tables.values()
    assert name + INVALID in {row[0] for rows in tables for row in rows}


@pytest.mark.parametrize("name", ["sanic", "tornado-blocking"])
def test_charts_of_users_and_a_delay_are_hollow(name: str) -> None:
    """The charts of other kinds are tested with their sections."""
    before = {chart.name: hollow(chart) for chart in charts(made("delay")).values()}
    for chart in charts(spoiled(made("delay"), name, "the generator was busy")).values():
        assert hollow(chart) > before[chart.name]
        assert re.search(rf" {name} ([0-9.,]+ \()?invalid", chart.alt)


def test_only_valid_results_have_a_place() -> None:
    assert Ranking(["b"], lambda one, other: False).place("a") == "–"
