"""What is invalid enters no ranking, however good it looks, and is drawn hollow."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import run_kinds
import runs
from pages import page
from test_sections import charts, spoiled

from loadtests.record import Run, save
from loadtests.report import parts, sections
from loadtests.report.build import BEGIN, END, rebuild
from loadtests.report.cells import INVALID
from loadtests.report.ranking import Ranking

KINDS = ["delay", *run_kinds.MAKERS]


def made(kind: str) -> Run:
    return runs.made_up() if kind == "delay" else run_kinds.run(kind)


def finding(run: Run) -> str:
    (part,) = parts.split(run)
    return sections.of(part).finding(part)


def names(name: str, text: str) -> bool:
    """Whether `text` names a service, and not only one whose name begins or ends alike."""
    return re.search(rf"(?<![\w-]){name}(?![\w-])", text) is not None


@pytest.mark.parametrize("kind", KINDS)
def test_the_headline_is_of_valid_services_only(kind: str, tmp_path: Path) -> None:
    named = [name for name in made(kind).services if names(name, finding(made(kind)))]
    assert named
    for name in named:
        bad = spoiled(made(kind), name, "the generator was busy")
        assert not names(name, finding(bad))
    tables = page(bad, tmp_path).tables.values()
    assert name + INVALID in {row[0] for rows in tables for row in rows}


@pytest.mark.parametrize("name", ["sanic", "tornado-blocking"])
def test_charts_of_users_and_a_delay_are_hollow(name: str) -> None:
    """Those of other kinds are tested with their sections."""
    before = {chart.name: chart.svg for chart in charts(made("delay")).values()}
    for chart in charts(spoiled(made("delay"), name, "the generator was busy")).values():
        assert chart.svg.count("fill: #ffffff") > before[chart.name].count("fill: #ffffff")
        assert re.search(rf" {name} [0-9.,]+ \(invalid\)", chart.alt)


def test_the_readme_is_of_valid_services_only(tmp_path: Path) -> None:
    run = runs.made_up()
    best = "sanic"
    assert f"{best} reached" in finding(run)
    results, readme = tmp_path / "results", tmp_path / "README.md"
    folder = results / "2026-11-20T140500Z-amd-epyc-2c-standard"
    folder.mkdir(parents=True)
    save(spoiled(run, best, "the generator was busy"), folder / "run.json")
    readme.write_text(f"{BEGIN}\n{END}\n")
    rebuild(results, readme)
    headline, _, rest = readme.read_text().removeprefix(BEGIN).strip().partition("\n")
    assert best not in headline
    (row,) = (line for line in rest.splitlines() if line.startswith(f"| {best}"))
    assert row.startswith(f"| {best} (invalid) | – |")  # and has no place


def test_a_place_is_for_who_has_a_valid_result() -> None:
    assert Ranking(["b"], lambda one, other: False).place("a") == "–"
