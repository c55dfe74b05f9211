"""The charts show every service, and show what cannot be believed as such."""

from __future__ import annotations

import json
from itertools import pairwise
from xml.etree import ElementTree

import pytest
import runs

from loadtests import record
from loadtests.catalog import KINDS
from loadtests.paths import RESULTS
from loadtests.record import Run
from loadtests.report import overview, sections
from loadtests.report.charts import bars, layers, lean, rows, theme
from loadtests.report.charts.bars import Axis, Bar
from loadtests.report.charts.chart import WIDTH, Chart, sized
from loadtests.report.results import facts, stored
from loadtests.report.results.parts import split
from loadtests.workloads.delay import section as delay


def declared(run: Run) -> dict[str, Chart]:
    """The charts of a run of one profile."""
    (part,) = split(run)
    return {chart.name: chart for chart in delay.charts(part)}


def states(chart: Chart) -> list[tuple[str, str]]:
    """The services with something that is not valid, and what it is."""
    return [(one["service"], one["state"]) for one in chart.records if "state" in one]


def contrast(one: str, other: str) -> float:
    """The ratio of WCAG 2 between two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_points_without_a_valid_round_are_hollow() -> None:
    assert not any(states(chart) for chart in declared(runs.made_up()).values())
    for chart in declared(runs.troubled()).values():
        assert ("sanic", "invalid") in states(chart)
        assert '"test": "isValid(datum.state)"' in json.dumps(chart.spec)


def test_failed_service_is_in_every_chart() -> None:
    charts = declared(runs.troubled())
    assert list(charts) == ["efficiency", "requests", "p99", "cpu", "memory"]
    for chart in charts.values():
        assert "gone" in {one.get("service") for one in chart.records}
    labels = [one["label"] for one in charts["requests"].records if "label" in one]
    assert "gone (failed)" in labels


def test_service_that_failed_at_some_users_says_where() -> None:
    run = runs.made_up({"sanic": (0.15, 1000)}, users=(10, 200))
    run.add(runs.failed("sanic", 1000, 1))
    (label,) = [one["label"] for one in declared(run)["requests"].records if "label" in one]
    assert label == "sanic (failed at 1,000)"


def test_a_line_that_ends_early_has_no_number_at_the_right_end() -> None:
    """It would be read as that of the last level, where there is no point."""
    run = runs.made_up({"sanic": (0.15, 1000), "tornado": (0.2, 1000)}, users=(10, 200))
    run.summary = [row for row in run.summary if (row.service, row.users) != ("tornado", 200)]
    chart = declared(run)["cpu"]
    labels = {one["service"]: one["label"] for one in chart.records if "label" in one}
    assert labels["tornado"] == "tornado"
    assert labels["sanic"].startswith("sanic 0.")
    assert "a line that ends before it has none" in chart.caption


def test_efficiency_is_of_what_every_service_could_reach() -> None:
    """One that can wait for a single call reaches its own ceiling, and next to nothing."""
    run = runs.made_up()
    row = next(r for r in run.summary if (r.service, r.users) == ("tornado-blocking", 1000))
    assert row.rps and row.efficiency and row.efficiency.median > 0.9
    cells = {(one["service"], one["users"]): one for one in declared(run)["efficiency"].records}
    share = cells["tornado-blocking", 1000]["value"]
    assert share == pytest.approx(100 * row.rps.median * row.delay_s / 1000)
    assert share < 1


def test_one_user_level_is_drawn_as_bars_with_values() -> None:
    run = runs.made_up(users=(200,), delay_s=2.0, profile="http-load")
    run.add(runs.failed("gone", 200, 1, profile="http-load"))
    run.points[-1].delay_s = 2.0
    run.summary = record.summarise(run.points)
    chart = declared(run)["requests"]
    texts = ["".join(node.itertext()) for node in ElementTree.fromstring(chart.svg).iter()]
    for row in run.summary:
        assert (facts.number(row.rps.median) if row.rps else "failed") in texts
        assert row.service in texts


def test_a_still_picture_is_the_same_each_time_and_small() -> None:
    run = runs.made_up(runs.fifteen(), rounds=1)
    first, second = (declared(run)["requests"].svg for _ in range(2))
    assert first == second and len(first) < 40_000
    assert "NaN" not in first and "undefined" not in first and "null" not in first


def test_every_model_has_its_hue_in_every_chart() -> None:
    run = runs.made_up(runs.fifteen(), rounds=1)
    looks = {name: theme.look(run, name) for name in run.services}
    for chart in declared(run).values():
        for one in chart.records:
            if one.get("service") in looks:
                assert (one["model"], one["kind"]) == (
                    looks[one["service"]].model,
                    looks[one["service"]].kind,
                )
        text = json.dumps(chart.spec)
        assert f'"domain": {json.dumps(theme.MODELS)}' in text


@pytest.mark.parametrize(("place", "paper"), [(0, theme.LIGHT), (1, theme.DARK)])
def test_hues_and_letters_stand_out_from_the_paper(place: int, paper: dict[str, str]) -> None:
    assert all(contrast(hue[place], paper["paper"]) >= 3 for hue in theme.HUES.values())
    assert len({hue[place] for hue in theme.HUES.values()}) == len(theme.HUES)
    assert min(contrast(paper[name], paper["paper"]) for name in ("ink", "soft")) >= 4.5


def test_every_kind_has_its_own_dashes() -> None:
    assert tuple(theme.DASHES) == KINDS
    assert len({tuple(dash) for dash in theme.DASHES.values()}) == len(KINDS)


def test_many_services_get_a_panel_a_model_with_their_values() -> None:
    run = runs.made_up(runs.fifteen(), rounds=1)
    values = {row.service: row for row in run.summary if row.users == 1000}
    for measure in delay.MEASURES:
        chart = declared(run)[measure.name]
        labels = {one["service"]: one["label"] for one in chart.records if "label" in one}
        assert set(labels) == set(values)
        for service, row in values.items():
            spread = getattr(row, measure.field)
            if spread:  # what starves has no response times
                assert labels[service].endswith(facts.number(spread.median * measure.scale))
        panels = {one["panel"] for one in chart.records if "panel" in one}
        assert panels <= set(theme.PLURALS.values())
        assert "at 1,000 users × 100 ms" in chart.alt


def test_names_beside_lines_do_not_hide_each_other() -> None:
    for wanted in ([50.0] * 6, [0, 1, 2, 60, 61], [99, 99, 99], [5.0]):
        placed = layers.apart([float(pixels) for pixels in wanted], 13, 110)
        gaps = [after - before for before, after in pairwise(placed)]
        assert all(gap >= 13 - 1e-9 for gap in gaps)
        assert max(placed) <= 110


def test_a_bound_figure_has_an_arrow_and_says_so() -> None:
    run = runs.made_up({"sanic": (0.15, 1000), "tornado": (0.2, 1000)}, users=(1000,))
    for point in run.points:
        point.bound = "generator" if point.service == "sanic" else ""
    run.summary = record.summarise(run.points)
    found = {one["service"]: one for one in declared(run)["requests"].records if "value" in one}
    assert found["sanic"]["said"].startswith("≥ ") and "generator" in found["sanic"]["bound"]
    assert "bound" not in found["tornado"]
    assert rows.bound()["transform"] == [{"filter": "datum.bound || datum.beyond"}]
    assert layers.bound()["transform"] == [{"filter": "datum.bound"}]


def test_several_delays_get_a_chart_each() -> None:
    run = runs.made_up(users=(10, 200))
    for point in runs.made_up(users=(10, 200), delay_s=2.0).points:
        point.scenario += "-2s"
        run.points.append(point)
    run.summary = record.summarise(run.points)
    names = list(declared(run))
    assert names[:2] == ["efficiency-0.1s", "efficiency-2s"]
    assert len(names) == 2 * (len(delay.MEASURES) + 1)


def test_charts_side_by_side_share_the_width_and_the_rows() -> None:
    run = runs.made_up()
    drawn = [Bar("sanic", record.Spread(1, 1, 1)), Bar("tornado", record.Spread(2, 2, 2))]
    sides = [(Axis("one"), drawn), (Axis("other"), drawn[:1])]
    spec = bars.beside_each_other(run, {"Coroutines": ["sanic", "tornado"]}, sides)
    one, other = sized(spec, WIDTH)["hconcat"]
    assert one["width"] + other["width"] < WIDTH
    order = [[row["service"] for row in view["data"]["values"]] for view in (one, other)]
    assert order == [["Coroutines", "sanic", "tornado"]] * 2


@pytest.mark.parametrize(
    ("low", "high"), [(0.1, 9000), (9, 11), (1, 40), (0.003, 0.9), (10, 10_000)]
)
def test_ticks_on_a_logarithmic_axis(low: float, high: float) -> None:
    found = rows.ticks(low, high)
    assert 3 <= len(found) <= 12
    assert found == sorted(found) and low <= found[0] <= found[-1] <= high


def test_a_packed_chart_has_the_same_records() -> None:
    """Those of several fields too: none is added, none is lost."""
    given: list[dict[str, object]] = [
        {"a": 1.23456789, "b": None, "c": "long"},
        {"a": True, "b": None, "c": "long"},
        {"a": True, "c": "x"},
        {"a": 2.0, "c": "x"},
    ]
    spec = {"layer": [{"data": {"values": given}}], "width": 2.3456789}
    packed = Chart("", "", "", "", spec).packed
    values = packed["layer"][0]["data"]["values"]
    assert packed["width"] == 2.3456789
    assert values["rows"] == [
        [1.23457, None, "long"],
        [True, {}, {}],
        [{}, [], "x"],
        [2, [], {}],
    ]
    found, above = [], []
    for row in values["rows"]:
        above = [before if of == {} else of for of, before in zip(row, above or row, strict=True)]
        found.append({k: of for k, of in zip(values["columns"], above, strict=True) if of != []})
    assert found == [{**given[0], "a": 1.23457}, *given[1:]]


def test_neighbours_say_once_how_they_look_alike() -> None:
    drawn = (
        '<svg width="9"><text fill="#222" text-anchor="end" transform="translate(1.04,2)">a</text>'
        '<text fill="#222" text-anchor="end" transform="translate(3,4.56)">b</text>'
        '<text fill="#222" transform="translate(5,6) rotate(9)">c</text></svg>'
    )
    assert lean.svg(drawn).partition(">")[2] == (
        '\n<g fill="#222" text-anchor="end"><text x="1" y="2">a</text>'
        '<text x="3" y="4.5">b</text></g>'
        '<text fill="#222" transform="translate(5,6) rotate(9)">c</text></svg>\n'
    )


@pytest.mark.parametrize(
    ("drawn", "lean_one"),
    [
        (
            '<line transform="translate(0,54.06)" x2="9.5" y2="-54" stroke="#5c5c5c"/>',
            '<line y1="54" x2="9.5" stroke="#5c5c5c"/>',
        ),
        ('<line transform="translate(3,0)" stroke="#ddd"/>', '<line x1="3" x2="3" stroke="#ddd"/>'),
        (
            '<path d="M1,2h3" fill="#222" fill-opacity="0.0426" stroke-width="1.6"/>',
            '<path d="M1,2h3" fill="#222" fill-opacity="0.04"/>',
        ),
        (
            '<path d="M1,2h3" stroke="#222" stroke-width="1.6"/>',
            '<path d="M1,2h3" stroke="#222" stroke-width="1.6"/>',
        ),
    ],
)
def test_a_shape_is_the_same_in_fewer_bytes(drawn: str, lean_one: str) -> None:
    assert lean.svg(f'<svg width="9">{drawn}</svg>').partition(">")[2] == f"{lean_one}</svg>\n"


def test_a_logarithmic_axis_has_no_zero() -> None:
    """Vega draws one at the other end: a wait that theory says is none was the longest of all."""
    found = 0
    for entry in stored.read(RESULTS, check=False).entries:
        for part in split(entry.run):
            for chart in sections.of(part).charts(part):
                if '"type": "log"' in json.dumps(chart.spec):
                    found += 1
                    for one in chart.records:
                        values = [one[end] for end in ("low", "value", "high") if end in one]
                        assert all(value is None or value > 0 for value in values), chart.name
    assert found


def test_what_nobody_runs_leaves_the_others_their_room() -> None:
    """In the chart of the whole a bare service reaches the edge, with an arrow and its number."""
    suite = stored.read(RESULTS, check=False).suite
    if suite is None:
        pytest.skip("no suite is published yet")
    chart = overview.chart(suite.run, split(suite.run))
    assert chart is not None
    left = chart.spec["hconcat"][0]
    most = {
        kind: max(one["high"] for one in left["data"]["values"] if one.get("kind") == kind)
        for kind in ("stock", "bare")
    }
    widest = max(
        layer["encoding"]["x"]["scale"]["domain"][1]
        for layer in left["layer"]
        if "scale" in layer.get("encoding", {}).get("x", {})
    )
    assert most["stock"] < widest < 1.5 * most["stock"] < most["bare"]
    beyond = [one["service"] for one in left["data"]["values"] if one.get("beyond")]
    assert beyond == ["asyncio-protocol"]
