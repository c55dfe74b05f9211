"""Pairs of services that differ in one thing, and what is said of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import run_costs
import runs
from pages import page

from loadtests import catalog
from loadtests.record import Run, summarise
from loadtests.report import sections
from loadtests.report.results import parts
from loadtests.report.tables import controlled
from loadtests.report.tables.controlled import CAPTION, NOISE, PAIRS

# The fields of a service.toml, by the thing that differs.
DIFFERS = {"server": "server", "model": "model", "client": "client", "loop": "server"}
FIELDS = ("framework", "server", "client", "model")
LOAD = "At 1,000 users × 100 ms"


def plain(field: str, text: str) -> str:
    """gunicorn's kinds of workers go with the model; gevent patches the client as it is."""
    if field == "server" and text.startswith("gunicorn "):
        return "gunicorn"
    return text.partition(",")[0] if field == "client" else text


@pytest.mark.parametrize(
    ("thing", "one", "other"), [(thing, *pair) for thing in PAIRS for pair in PAIRS[thing]]
)
def test_a_pair_differs_in_that_and_in_nothing_else(thing: str, one: str, other: str) -> None:
    first, second = catalog.load(one), catalog.load(other)
    differ = {
        field
        for field in FIELDS
        if plain(field, getattr(first, field)) != plain(field, getattr(second, field))
    }
    assert differ == {DIFFERS[thing]}
    assert first.kind == second.kind


def made(**cpu: float) -> Run:
    """Services whose core is spent on so much CPU a request."""
    return runs.made_up({name.replace("_", "-"): (ms, 1000) for name, ms in cpu.items()})


def finding(run: Run) -> str:
    (part,) = parts.split(run)
    return sections.of(part).finding(part)


def test_the_ratio_of_a_pair_and_whether_it_is_known(tmp_path: Path) -> None:
    run = made(flask_threads=1.0, flask_gevent=0.4, flask_granian=1.0, tornado=0.3)
    rows = page(run, tmp_path).tables[CAPTION]
    assert [row[:3] for row in rows] == [
        ["server", "flask-threads", "flask-granian"],
        ["model", "flask-threads", "flask-gevent"],
    ]
    rps = {row.service: row.rps.median for row in run.summary if row.users == 1000 and row.rps}
    for _, one, other, times, _ in rows:
        ratio, _, noise = times.removeprefix("×").partition(" ")
        assert float(ratio) == pytest.approx(rps[other] / rps[one], rel=0.06)
        assert noise == (f"{NOISE} of 3 rounds" if other == "flask-granian" else "")


def test_the_first_sentence_is_of_pairs() -> None:
    run = made(flask_threads=1.0, flask_gevent=0.4, flask_granian=1.0, tornado=0.3)
    for name, about in run.services.items():
        about.update(catalog.load(name).description())
    said = finding(run)
    assert said.startswith(
        f"With all else the same, requests/s {LOAD.lower()} is ×2.5 with greenlets in place of "
        "threads (flask-gevent ÷ flask-threads); ×0.95 with Granian in place of gunicorn gthread "
        "(flask-granian ÷ flask-threads), which 3 rounds are too few to tell from no change. "
        "At 1,0"
    )


def test_a_large_ratio_of_few_rounds_is_not_called_the_same() -> None:
    """Of two services and two rounds one degree of freedom is left: ×0.29 is not told from 1."""
    run = made(flask_threads=1.0, flask_gevent=1.0)
    run.points = [point for point in run.points if point.round < 3]
    for point in run.points:
        if point.service == "flask-gevent":
            point.rps *= 0.5 if point.round == 1 else 0.1
    run.summary = summarise(run.points)
    said = finding(run)
    assert " is ×0.29 with " in said
    assert "(flask-gevent ÷ flask-threads), which 2 rounds are too few to tell from no" in said
    assert "which 2 rounds cannot tell apart, reached" in said
    assert "within noise" not in said


def test_the_first_sentence_is_of_what_people_run() -> None:
    run = made(flask_threads=1.0, flask_gevent=0.4)
    run.services["flask-gevent"]["kind"] = "lesson"
    assert finding(run).startswith(LOAD)


def test_without_a_pair_there_is_no_table_and_no_sentence(tmp_path: Path) -> None:
    run = made(flask_gevent=0.4, tornado=0.3)
    assert CAPTION not in page(run, tmp_path).tables
    assert finding(run).startswith(LOAD)


def test_what_something_else_has_set_is_not_compared() -> None:
    run = made(flask_threads=1.0, flask_gevent=0.4)
    for point in run.points:
        point.bound = "generator" if point.service == "flask-gevent" else ""
    run.summary = summarise(run.points)
    (part,) = parts.split(run)
    found = controlled.of_scenario(part, "requests/s", "1000-users", "rps")
    assert found.times("flask-threads", "flask-gevent") is None
    assert finding(run).startswith(LOAD)


@pytest.mark.parametrize("kind", ["cost", "capacity", "held"])
def test_other_kinds_have_pairs_too(kind: str, tmp_path: Path) -> None:
    run = run_costs.run(kind, services=("scratch-epoll", "sanic"))
    for point in run.points:
        point.service = {"sanic": "scratch-select"}.get(point.service, point.service)
    run.services["scratch-select"] = run.services.pop("sanic")
    run.summary = summarise(run.points)
    (row,) = page(run, tmp_path).tables[CAPTION]
    assert row[:3] == ["loop", "scratch-epoll", "scratch-select"]
    assert row[3].startswith("×")
