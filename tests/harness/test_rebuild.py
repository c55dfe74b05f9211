"""`make report`: everything again from the `run.json` files, and nothing else."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
import run_kinds
import runs

from loadtests import record
from loadtests.catalog import ROOT
from loadtests.report import build, index

QUOTES = "<!-- answer: -->old<!-- /answer -->\n<!-- table: standard -->old<!-- /table -->"


def results(tmp_path: Path) -> tuple[Path, Path]:
    """Three runs without their reports, and a README with markers."""
    folder = tmp_path / "results"
    standard = runs.troubled(users=(10, 200, 1000), rounds=2)
    newer = runs.made_up(users=(10,), rounds=1, started_at="2026-11-22T08:00:00Z", finished_at=None)
    quick = runs.made_up(users=(10,), rounds=1, profile="quick", started_at="2026-11-21T08:00:00Z")
    named = {
        "2026-11-20T1405Z-a-standard": standard,
        "2026-11-22T0800Z-a-standard": newer,
        "2026-11-21T0800Z-a-quick": quick,
    }
    for name, run in named.items():
        (folder / name).mkdir(parents=True)
        record.save(run, folder / name / "run.json")
    readme = tmp_path / "README.md"
    readme.write_text(f"# Title\n\nbefore\n\n{QUOTES}\n\nafter\n")
    return folder, readme


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_rebuilding_changes_no_byte(tmp_path: Path) -> None:
    folder, readme = results(tmp_path)
    rebuilt = build.rebuild(folder, [readme])
    assert [path.name[:10] for path in rebuilt.folders] == [
        "2026-11-22",
        "2026-11-21",
        "2026-11-20",
    ]
    once = contents(tmp_path)
    assert len([path for path in once if path.name == "report.html"]) == 3
    for path in once:
        if path.suffix in (".svg", ".html") or path.name == "report.md":
            path.unlink()
    # Another process, so that nothing survives in memory and hashes have another seed.
    script = "import sys, pathlib; from loadtests.report.build import rebuild;"
    script += "folder, readme = map(pathlib.Path, sys.argv[1:]); rebuild(folder, [readme])"
    command = [sys.executable, "-c", script, str(folder), str(readme)]
    subprocess.run(command, check=True, cwd=ROOT, capture_output=True)
    assert contents(tmp_path) == once


def test_index_lists_profiles_and_the_newest_first(tmp_path: Path) -> None:
    folder, readme = results(tmp_path)
    build.rebuild(folder)
    lines = [
        line for line in (folder / "README.md").read_text().splitlines() if "/report.md" in line
    ]
    assert [re.findall(r"\((.*)/report\.md#\w+\)", line)[0] for line in lines] == [
        "2026-11-21T0800Z-a-quick", "2026-11-22T0800Z-a-standard", "2026-11-20T1405Z-a-standard",
    ]  # fmt: skip
    assert "5 of 5 points valid, interrupted" in lines[1]
    assert "27 of 36 points valid" in lines[2]
    for told in ("2026-11-20 14:05 UTC", "amd-epyc-2c", "standard", "local", "1f0c3a9d2b7e"):
        assert told in lines[2]
    assert "At 1,000 users × 100 ms the arithmetic limit is" in lines[2]
    assert "old" in readme.read_text()


def test_a_readme_that_is_no_index_is_left_alone(tmp_path: Path) -> None:
    """RESULTS may be anybody's folder."""
    (tmp_path / "README.md").write_text("# Mine\n", encoding="utf-8")
    index.write(tmp_path)
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "# Mine\n"
    (tmp_path / "README.md").unlink()
    index.write(tmp_path)
    assert "There is no run yet" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_a_document_shows_the_newest_finished_standard_run(tmp_path: Path) -> None:
    folder, readme = results(tmp_path)
    build.rebuild(folder, [readme])
    text = readme.read_text()
    assert text.startswith("# Title\n\nbefore\n\n<!-- answer: -->\n\n- ")
    assert text.endswith("<!-- /table -->\n\nafter\n")
    assert "old" not in text
    assert "gone (failed)" in text
    links = set(re.findall(r"\]\((.*?)\)", text))
    assert links == {"results/2026-11-20T1405Z-a-standard/report.md"}


def test_a_part_of_a_larger_run_is_a_run_of_its_profile(tmp_path: Path) -> None:
    folder, readme = results(tmp_path)
    run = run_kinds.run("composite", "pollers", started_at="2026-11-23T08:00:00Z")
    standard = runs.made_up(users=(10, 50), rounds=1)
    run.workloads |= standard.workloads
    run.services |= standard.services
    run.points += standard.points
    run.summary = record.summarise(run.points)
    (folder / "2026-11-23T0800Z-a-everything").mkdir()
    record.save(run, folder / "2026-11-23T0800Z-a-everything" / "run.json")
    build.rebuild(folder, [readme])
    text = readme.read_text()
    assert "](results/2026-11-23T0800Z-a-everything/report.md)" in text
    assert "a-standard" not in text
    listed = (folder / "README.md").read_text()
    assert "| [composite](2026-11-23T0800Z-a-everything/report.md#composite) |" in listed


def test_unreadable_runs_are_named_and_the_others_rebuilt(tmp_path: Path) -> None:
    folder, readme = results(tmp_path)
    (folder / "broken").mkdir()
    (folder / "broken" / "run.json").write_text('{"schema": 1}')
    (folder / "hollow").mkdir()
    with pytest.raises(build.ReportError) as wrong:
        build.rebuild(folder, [readme])
    lines = str(wrong.value).splitlines()
    assert len(lines) == 2
    assert str(folder / "broken" / "run.json") in lines[0]
    assert str(folder / "hollow" / "run.json") in lines[1]
    assert len(list(folder.glob("*/report.html"))) == 3
    assert "gone (failed)" in readme.read_text()
