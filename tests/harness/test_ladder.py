"""The ladder: each rung runs, and one thread at a slow backend is as slow as arithmetic says."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from loadtests.ladder import climb as climbing
from loadtests.ladder import record, report
from loadtests.ladder.climb import RUNGS, Climb, Rung, climb
from loadtests.record import InvalidRun
from loadtests.runtime import ServiceFailed
from loadtests.runtime.local import LocalRuntime

DELAY_S, WINDOW_S = 0.2, 2.0
FOLDER = Path(climbing.__file__).parent
HEAD = {
    "started_at": "2026-01-02T03:04:05Z",
    "commit": "abc",
    "machine": {"name": "m-2c", "cpu": "M", "cores": 2, "python": "3.13.0"},
}


@pytest.fixture(scope="module")
def runtime() -> Iterator[LocalRuntime]:
    with LocalRuntime("a test", [], {}) as entered:
        yield entered


@pytest.fixture(scope="module")
def done(runtime: LocalRuntime) -> dict[str, Climb]:
    return {rung.name: climb(rung, DELAY_S, 1, runtime, WINDOW_S) for rung in RUNGS}


@pytest.mark.parametrize("rung", RUNGS, ids=lambda rung: rung.name)
def test_a_rung_makes_requests_and_no_more_than_the_delay_allows(
    rung: Rung, done: dict[str, Climb]
) -> None:
    measured = done[rung.name]
    # Requests in flight when the window opened may end in it, beyond those of the limit.
    assert 0 < measured.rps <= measured.limit_rps * (1 + DELAY_S / WINDOW_S)
    assert measured.threads == (1 if rung.extra else measured.in_flight)
    assert 0 < measured.idle_share < 1


def test_five_threads_make_five_times_the_requests_of_one(done: dict[str, Climb]) -> None:
    """Before a backend of 5 s: one thread 0.2/s, five 1/s; here all is 25 times as fast."""
    one, five = done["rung2_threads_1"], done["rung2_threads_5"]
    assert one.rps == pytest.approx(1 / DELAY_S, rel=0.25)
    assert five.rps / one.rps == pytest.approx(5, rel=0.25)
    assert one.idle_share > 0.9 and five.idle_share > 0.9


def test_a_socketpair_wakes_select(runtime: LocalRuntime) -> None:
    """With one request under way select sleeps through most of its delay."""
    sleeps = climb(Rung("rung3_select", 1, "", 7), 0.5, 1, runtime, 1.0).start_lag_ms
    wakes = climb(Rung("rung4_socketpair", 1, "", 7), 0.5, 1, runtime, 1.0).start_lag_ms
    assert sleeps is not None and wakes is not None
    assert sleeps > 5 * wakes


def test_a_rung_that_ends_by_itself_says_why(runtime: LocalRuntime) -> None:
    with pytest.raises(ServiceFailed, match="ended with 1") as failed:
        climb(Rung("rung3_select", 2000, "more than select can"), DELAY_S, 1, runtime, WINDOW_S)
    assert "Error" in failed.value.log_tail


def test_the_rungs_are_those_in_the_folder_and_each_says_what_it_is() -> None:
    files = {file.stem: file.read_text() for file in FOLDER.glob("rung*.py")}
    assert files.keys() == {rung.module for rung in RUNGS}
    for module, text in files.items():
        docstring = ast.get_docstring(ast.parse(text)) or ""
        assert docstring.startswith(f"Rung {module[4]}: ")


def example(round_number: int, rps: float, lag: float | None) -> Climb:
    return Climb(
        rung="rung2_threads_5", module="rung2_threads", title="5 threads", delay_s=1.0,
        in_flight=5, round=round_number, rps=rps, limit_rps=5.0, threads=5, idle_share=0.99,
        cpu_ms_per_request=0.5, start_lag_ms=lag,
    )  # fmt: skip


def test_the_report_shows_medians_and_is_the_same_when_written_again(tmp_path: Path) -> None:
    climbs = [example(1, 4.9, None), example(2, 4.5, None), example(3, 5.0, None)]
    record.save(tmp_path, HEAD, climbs)
    report.write(tmp_path)
    first = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    assert first.keys() == {"run.json", "report.md", "ladder.svg"}
    assert "| 4.90 (4.50–5.00) |" in first["report.md"].decode()
    report.write(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == first


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"schema": 1})])
def test_a_file_that_is_no_run_of_the_ladder_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(InvalidRun, match=r"run\.json"):
        report.write(tmp_path)
