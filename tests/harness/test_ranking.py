"""A report claims no order that is within noise, and shows the second measurement as such."""

from __future__ import annotations

from pathlib import Path

import pytest
import runs
from pages import Page, page, shows

from loadtests.record import Run, Spread, noise
from loadtests.report import sections
from loadtests.report.results import facts, parts, ranking
from loadtests.report.results.ranking import Ranking
from loadtests.report.tables import common

CAPTION = "At 1,000 users × 100 ms"


def reaching(again: float | None = None, **rps: tuple[float, ...]) -> Run:
    """A run of one scenario in which each service reached so much in the rounds."""
    rounds = len(next(iter(rps.values())))
    run = runs.made_up(dict.fromkeys(rps, (0.15, 1000)), users=(1000,), rounds=rounds)
    for point in run.points:
        point.rps = rps[point.service][point.round - 1]
    if again is not None:
        run = runs.twice(run, "sanic")
        for point in run.points:
            if point.service == "sanic-again":
                point.rps *= again
    return runs.summed(run)


def finding(run: Run) -> str:
    (part,) = parts.split(run)
    return sections.of(part).finding(part).partition("; ")[2]


CLEAR = {"sanic": (900.0, 901.0, 902.0), "tornado": (700.0, 701.0, 702.0)}
NEAR = {"aiohttp": (890.0, 891.0, 892.0)}
OVER = {"aiohttp": (880.0, 895.0, 901.0)}
LAST = {"flask": (300.0, 301.0, 302.0)}
WILD = {
    "sanic": (900.0, 1100.0, 600.0),
    "aiohttp": (950.0, 700.0, 800.0),
    "tornado": (500.0, 700.0, 900.0),
}


@pytest.mark.parametrize(
    ("run", "places", "said"),
    [
        (
            reaching(**CLEAR, **NEAR, **LAST),
            ["1", "2", "3", "4"],
            "sanic reached 901, the most; flask the fewest, 301.",
        ),
        (
            reaching(0.95, **CLEAR, **NEAR, **LAST),
            ["1", "again", "2", "3", "4"],
            "sanic reached 901, the most; flask the fewest, 301.",
        ),
        (
            reaching(**CLEAR, **OVER),
            ["1–2", "1–2", "3"],
            "sanic and aiohttp, which 3 rounds cannot tell apart, reached the most, 901 and 895; "
            "tornado the fewest, 701.",
        ),
        (
            reaching(**WILD),
            ["1–3", "1–3", "1–3"],
            "sanic and tornado, which 3 rounds cannot tell apart, reached 900 and 700.",
        ),
        (reaching(**LAST), ["1"], "flask reached 301."),
    ],
    ids=["clear", "a check is no spread", "own spread", "all", "alone"],
)
def test_services_within_noise_share_a_place(
    tmp_path: Path, run: Run, places: list[str], said: str
) -> None:
    assert finding(run) == said
    assert [row[1] for row in page(run, tmp_path).tables[CAPTION]] == places


def test_only_neighbours_within_noise_share_places() -> None:
    """The service in the middle may be first or last, the others may not change places."""
    near = {("a", "b"), ("b", "c")}
    three = Ranking(["a", "b", "c"], lambda x, y: tuple(sorted((x, y))) in near)
    assert [three.place(name) for name in "abcd"] == ["1–2", "1–3", "2–3", "–"]


@pytest.mark.parametrize(
    ("near", "said"),
    [
        (set(), "1 ms in a, the least; 6 ms in f, the most"),
        (
            {"ab"},
            "1 ms in a and 2 ms in b, which 3 rounds cannot tell apart, the least; "
            "6 ms in f, the most",
        ),
        (
            {"ab", "ac"},
            "1 ms in a, the least, which 3 rounds cannot tell from b and c, the farthest at 3 ms; "
            "6 ms in f, the most",
        ),
        (
            {"ab", "ac", "ad", "ae", "ef"},
            "1 ms in a, the least, which 3 rounds cannot tell from 4 others, the farthest at 5 ms; "
            "6 ms in f and 5 ms in e, which the run cannot tell apart, the most",
        ),
        ({"af"}, "1 ms in a and 6 ms in f, which the run cannot tell apart"),
    ],
)  # fmt: skip
def test_a_contrast_claims_no_end_that_is_noise(near: set[str], said: str) -> None:
    rounds = dict.fromkeys("abcde", 3)  # the figure of f is one that something else has set
    six = Ranking(list("abcdef"), lambda x, y: "".join(sorted(x + y)) in near, rounds=rounds)
    values = {name: f"{number} ms" for number, name in enumerate("abcdef", 1)}
    assert ranking.contrast(six, values, "the least", "the most") == said
    assert ranking.contrast(Ranking([], six.tied), {}, "the least", "the most") == ""


def test_noise_is_said_near_the_top(tmp_path: Path) -> None:
    run = reaching(0.95, **CLEAR)
    page(run, tmp_path)
    for name, table in (("report.html", f"<caption>{CAPTION}"), ("report.md", f"### {CAPTION}")):
        said = " ".join((tmp_path / name).read_text().split())
        at = said.index("sanic had two turns a round, under two names: 1 of the 4 pairs")
        assert at < said.index(table)
    assert "two turns a round" not in page(reaching(**CLEAR), tmp_path).text
    assert facts.noise_told(reaching(**LAST)) == ""
    once = {name: rounds[:1] for name, rounds in CLEAR.items()}
    assert "no spread is known" in facts.noise_told(reaching(**once))


def test_the_second_measurement_is_shown_and_competes_with_nobody(tmp_path: Path) -> None:
    run = runs.twice(runs.made_up(), "sanic")
    for point in run.points:
        if point.service == "sanic-again":
            point.rps *= 1 + 0.01 * point.round
    runs.summed(run)
    found: Page = page(run, tmp_path)
    names = [row[0] for row in found.tables[CAPTION]]
    assert names[:2] == ["sanic", "sanic-again"]
    assert "5 services, profile" in found.text
    assert "sanic-again" not in facts.reproduce(run)
    assert len(found.tables["What the services are"]) == 5
    (table,) = common.twice(run)
    cells = {row[0]: row[1:] for row in found.tables[table.caption]}
    assert len(cells) == 5
    apart = noise.block(run, "50-users", "rps").apart(*names[:2])
    assert apart is not None
    middle, low, high = apart.ratio(0.05)
    assert middle == pytest.approx((1.01 * 1.02 * 1.03) ** (1 / 3)) and low < middle < high
    assert shows(cells["50-users"][0], Spread(middle, low, high))
    assert all(cell.startswith("1.00 ") for cell in cells["50-users"][1:])


def test_a_lower_bound_is_never_behind_a_lower_figure() -> None:
    """A lower bound, ≥ 3960, ties with 6460, and is before a value that is less beyond noise."""
    services = {"sanic": (0.147, 1000), "tornado": (0.243, 1000), "flask": (2.0, 1000)}
    run = runs.made_up(services, users=(1000,))
    for point in run.points:
        point.bound = "generator" if point.service == "tornado" else ""
    (part,) = parts.split(runs.summed(run))
    order = ranking.of_scenario(part, "1000-users", "rps", ["sanic", "tornado", "flask"])
    assert [order.place(name) for name in order.names] == ["1–2", "1–2", "3"]


def test_the_floor_competes_with_nobody(tmp_path: Path) -> None:
    run = reaching(**CLEAR, nginx=(990.0, 991.0, 992.0))
    run.services["nginx"]["kind"] = "floor"
    assert finding(run) == "sanic reached 901, the most; tornado the fewest, 701."
    places = {row[0]: row[1] for row in page(run, tmp_path).tables[CAPTION]}
    assert places == {"nginx": "floor", "sanic": "1", "tornado": "2"}
