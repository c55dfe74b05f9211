"""A report says what `run.json` says: all of it, and escaped."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import runs
from pages import Page, build, close, page, shows
from runs import HOSTILE

from loadtests.record import Point, Run, Summary, summarise
from loadtests.report.results import facts
from loadtests.workloads.delay.section import MEASURES

OWN_SCRIPTS = 5  # the colours, Vega, and those that fold the page, draw its charts, sort its tables


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"), (0, "0"), (0.09834, "0.0983"), (0.9996, "1.00"), (1, "1.00"), (45.25, "45.2"),
        (99.96, "100"), (101.34, "101"), (999.6, "1,000"), (9538.2, "9,540"), (118000.0, "118,000"),
    ],
)  # fmt: skip
def test_three_significant_digits(value: float | None, text: str) -> None:
    assert facts.number(value) == text


def test_headline_is_the_summary_at_the_most_users(tmp_path: Path) -> None:
    run = runs.troubled()
    rows = page(run, tmp_path).tables["At 1,000 users × 100 ms"]
    summary = {row.service: row for row in run.summary if row.users == 1000}
    names = [row[0] for row in rows]
    assert names[-2:] == ["sanic (invalid)", "gone (failed)"]
    assert sorted(name.partition(" ")[0] for name in names) == sorted(summary)
    for name, _, rps, share, p50, p99, cpu, rss in rows:
        row = summary[name.partition(" ")[0]]
        assert shows(rps, row.rps)
        assert shows(share, row.rps, 100 * row.delay_s / row.users)
        assert shows(p50, row.p50_ms)
        assert shows(p99, row.p99_ms)
        assert shows(cpu, row.cpu_ms_per_request)
        assert shows(rss, row.pss_bytes, 1 / 2**20)


def test_full_table_is_the_summary(tmp_path: Path) -> None:
    run = runs.troubled()
    rows = page(run, tmp_path).tables["Every service in every scenario"]
    summary = {(row.service, f"{row.users:,}"): row for row in run.summary}
    assert len(rows) == len(summary)
    for cells in rows:
        row = summary.pop((cells[0].partition(" ")[0], cells[1]))
        check_full_row(cells, row, [p for p in run.points if p.scenario == row.scenario])
    assert not summary


def check_full_row(cells: list[str], row: Summary, points: list[Point]) -> None:
    assert cells[2] == "100 ms"
    assert cells[3] == f"{row.valid_rounds}/{row.rounds}"
    assert shows(cells[4], row.rps)
    assert close(cells[5], row.ceiling_rps or None)
    assert cells[6] == (row.binding or "–")
    assert shows(cells[7], row.efficiency, 100)
    times = (row.p50_ms, row.p90_ms, row.p99_ms, row.p999_ms, row.max_ms)
    assert all(shows(cell, spread) for cell, spread in zip(cells[8:13], times, strict=True))
    assert shows(cells[13], row.cpu_ms_per_request)
    assert shows(cells[14], row.pss_bytes, 1 / 2**20)
    unfinished = sum(point.unfinished for point in points if point.service == row.service)
    assert cells[15:] == [f"{n:,}" for n in (row.requests, row.failures, unfinished)]


def test_every_point_is_in_the_appendix(tmp_path: Path) -> None:
    run = runs.troubled()
    rows = page(run, tmp_path).tables["Every point, in the order of measurement"]
    assert len(rows) == len(run.points)
    for cells, point in zip(rows, run.points, strict=True):
        counts = (point.requests, point.failures, point.unfinished, point.backend_calls)
        assert cells[0].partition(" ")[0] == point.service
        assert cells[1:4] == [point.scenario, str(point.round), f"{point.users:,}"]
        assert cells[6:10] == [f"{n:,}" for n in counts]
        times = (point.figure(f"{name}_ms") for name in ("p50", "p90", "p99", "max"))
        efficiency = point.efficiency and 100 * point.efficiency
        figures = (point.rps, point.ceiling_rps, efficiency, *times, point.cpu_ms_per_request)
        assert all(close(cell, value) for cell, value in zip(cells[10:18], figures, strict=True))
        assert close(cells[18], point.pss_bytes, 1 / 2**20)
        assert close(cells[19], point.generator_cpu, 100)
        assert all(reason in cells[20] for reason in point.invalid_because)
        assert all(kind in cells[20] for kind in point.failure_kinds)


@pytest.mark.parametrize("name", ["report.html", "report.md"])
def test_trouble_is_told_with_place_and_reason(tmp_path: Path, name: str) -> None:
    text = (build(runs.troubled(), tmp_path) / name).read_text()
    assert "71 of 90 points valid" in text
    for told in (
        "the generator", "91 % busy", "1,000 users × 100 ms (rounds 1, 2, 3)",
        "failures 0.57 %", "200 users × 100 ms (round 2)", "exit status 3", "gone (failed)",
    ):  # fmt: skip
        assert told in text


def test_logs_and_reasons_are_escaped_in_html(tmp_path: Path) -> None:
    found = page(runs.troubled(), tmp_path)
    assert HOSTILE in found.text
    assert "exit status 3 | <b>" in found.text
    assert not {"img", "iframe", "link"} & set(found.tags)
    figures = found.tags.count("figure")
    assert found.tags.count("script") == figures + OWN_SCRIPTS
    assert found.open == []


def test_each_fact_has_a_line_of_its_own(tmp_path: Path) -> None:
    text = (build(runs.troubled(), tmp_path) / "report.md").read_text()
    facts = [line.partition(":")[0] for line in text.splitlines() if line.startswith("- ")]
    assert facts[:4] == ["- Where", "- How", "- When", "- Verdict"]


def test_logs_and_reasons_are_escaped_in_markdown(tmp_path: Path) -> None:
    text = (build(runs.troubled(), tmp_path) / "report.md").read_text()
    fence = re.search(r"^(`{3,})text\n(.*?)\n\1$", text, re.MULTILINE | re.DOTALL)
    assert fence is not None
    assert fence[2] == HOSTILE
    assert "<script>" not in text.replace(fence[0], "")
    assert r"exit status 3 \| &lt;b>" in text
    blocks = re.findall(r"^\|.*(?:\n\|.*)+", text, re.MULTILINE)
    assert len(blocks) > 4
    for block in blocks:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}
        assert len(widths) == 1, block


def test_page_loads_nothing(tmp_path: Path) -> None:
    folder = build(runs.troubled(), tmp_path)
    text = (folder / "report.html").read_text()
    found = Page(text)
    loading = {"src", "srcset", "href", "xlink:href", "data", "action", "poster", "background"}
    targets = [value for _, name, value in found.attributes if name in loading]
    assert targets
    assert all(target.startswith("#") or target == "run.json" for target in targets)
    assert "@import" not in text
    assert all(url.startswith("#") for url in re.findall(r"url\(([^)]*)\)", text))
    assert not [name for _, name, _ in found.attributes if name.startswith("on")]


def test_ids_are_unique_and_references_resolve(tmp_path: Path) -> None:
    found = page(runs.troubled(), tmp_path)
    text = (tmp_path / "report.html").read_text()
    ids = [value for _, name, value in found.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    used = {
        value[1:] for _, name, value in found.attributes if name == "href" and value.startswith("#")
    }
    used |= set(re.findall(r"url\(#([^)]*)\)", text))
    assert used <= set(ids)


def test_page_is_accessible(tmp_path: Path) -> None:
    found = page(runs.troubled(), tmp_path)
    images = [
        value
        for tag, name, value in found.attributes
        if (tag, name) == ("div", "aria-label") and " at 1,000" in value
    ]
    assert len(images) == len(MEASURES) + 1
    assert all("gone failed" in label for label in images if not label.startswith("share of"))
    heads = [value for tag, name, value in found.attributes if (tag, name) == ("th", "scope")]
    assert len(heads) == found.tags.count("th")
    assert ("html", "lang", "en") in found.attributes


def test_of_too_few_answers_for_a_percentile_there_is_the_longest(tmp_path: Path) -> None:
    run = runs.made_up({"sanic": (0.15, 1000)})
    legend, table = "too few answers for the percentile", "At 1,000 users × 100 ms"
    for point in run.points:
        point.requests = 2000
    run.summary = summarise(run.points)
    assert not any("max" in cell for cell in page(run, tmp_path).tables[table][0])
    assert legend not in (tmp_path / "report.md").read_text()
    for point in run.points:
        point.requests = 199  # a p99 needs 200, a p50 has enough
    run.summary = summarise(run.points)
    (row,) = (row for row in run.summary if row.users == 1000)
    assert row.p99_ms is None and row.p50_ms and row.max_ms
    (said,) = (cell for cell in page(run, tmp_path).tables[table][0] if "max" in cell)
    assert said.startswith(f"max {facts.number(row.max_ms.median)}")
    assert legend in (tmp_path / "report.md").read_text()


@pytest.mark.parametrize(
    "run",
    [
        runs.empty(finished_at=None),
        runs.made_up({"sanic": (0.15, 1000)}, users=(10, 200), rounds=1, finished_at=None),
    ],
    ids=["nothing", "one point"],
)
def test_interrupted_run_is_reported_as_far_as_it_went(tmp_path: Path, run: Run) -> None:
    found = page(run, tmp_path)
    assert "interrupted" in found.text
    assert "did not come to its end" in found.text
    assert len(list(tmp_path.glob("*.svg"))) == (len(MEASURES) + 1 if run.points else 0)
    assert "interrupted" in (tmp_path / "report.md").read_text()


def test_only_failed_points_are_still_a_report(tmp_path: Path) -> None:
    run = runs.empty()
    for users in (10, 200):
        run.add(runs.failed("gone", users, 1, "no such module"))
    found = page(run, tmp_path)
    assert "0 of 2 points valid" in found.text
    assert "no such module" in found.text
    assert found.tables["At 200 users × 100 ms"] == [["gone (failed)", *["–"] * 7]]


def test_service_without_a_point_is_named(tmp_path: Path) -> None:
    run = runs.made_up({"sanic": (0.15, 1000)}, finished_at=None)
    run.services["tornado"] = runs.about("tornado", 1000) | {"info": None}
    rows = page(run, tmp_path).tables["At 1,000 users × 100 ms"]
    assert rows[-1] == ["tornado (not measured)", *["–"] * 7]


def test_settings_versions_and_command_are_in_the_appendix(tmp_path: Path) -> None:
    run = runs.made_up(runtime="compose", pinned=False)
    found = page(run, tmp_path)
    settings = found.tables["Effective settings, as each service reported them"]
    assert ["sanic", "1", "1,000", "1,000", "1,000", "http://127.0.0.1:8000", "10"] in settings
    versions = found.tables["Installed versions, as each service reported them"]
    assert ["sanic", "python 3.13.0, sanic 6.6.1"] in versions
    assert ["memory", "8.00 GiB"] in found.tables["Machine"]
    command = "make bench PROFILE=standard SERVICES="
    command += '"flask-gevent flask-threads sanic tornado tornado-blocking" RUNTIME=compose'
    assert command in found.text
    assert "nothing pinned" in found.text
