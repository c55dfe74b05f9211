"""The live table of a bench: it fits any width, needs no colour, and is there for people only."""

from __future__ import annotations

import io
import re
import sys
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console

from loadtests.bench import board, plan, progress
from loadtests.bench.plan import Part
from loadtests.record import Point

CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*\b(?:3[0-7]|4[0-7]|38|48)[;m]")


def point(service: str = "sanic", **other: Any) -> Point:
    about: dict[str, Any] = {"profile": "standard", "scenario": "10-users-100ms", "users": 10}
    about |= {"rate_rps": None, "delay_s": 0.1, "duration_s": 1.0, "round": 1, "requests": 90}
    return Point(service=service, **about | {"rps": 90.0, "efficiency": 0.9} | other)


@pytest.fixture(scope="module")
def part() -> Part:
    (found,) = plan.parts("standard", "", "local", {})
    return found


def written(part: Part, width: int, height: int = 25, **console: Any) -> str:
    """Everything that a board writes to a terminal of that size while a service has its turn."""
    file = io.StringIO()
    screen = Console(file=file, width=width, height=height, force_terminal=True, **console)
    shown = board.Board(screen)
    shown.begin(part, "sanic", "12:05 left, 41 of 240 points", 25.0)
    shown.done(point())
    shown.done(point("aiohttp", valid=False))
    shown.begin(part, "tornado", "11:05 left, 43 of 240 points", 25.0)
    shown.end()
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 200])
def test_it_fits(part: Part, width: int) -> None:
    lines = [CODES.sub("", line) for line in written(part, width).replace("\r", "\n").split("\n")]
    assert max(map(cell_len, lines)) <= width
    assert any("sanic" in line and " 90%" in line for line in lines)
    assert any("aiohttp" in line and "invalid" in line for line in lines)


def test_a_cell_is_what_the_report_says_of_all_rounds(part: Part) -> None:
    """The median of the valid rounds, of users ÷ delay also where a service has fewer slots."""
    rounds = [
        point(round=1, rps=80.0, efficiency=1.0, ceiling_rps=80.0),
        point(round=2, rps=82.0, efficiency=1.0, ceiling_rps=82.0),
        point(round=3, rps=9.0, efficiency=0.1, valid=False),
    ]
    ((_, row),) = board.of(rounds).items()
    assert board.cell(row, part.profile).plain.strip() == "2/3 81%"
    row.bound = "generator"
    assert board.cell(row, part.profile).plain.strip() == "2/3 ≥81%"
    text = board.tables([part], rounds)
    assert "2/3 81%" in text and "invalid" not in text and text.rstrip().endswith(board.PARTLY)
    assert board.PARTLY not in board.tables([part], rounds[:2])
    ((_, none),) = board.of(rounds[2:]).items()
    assert board.cell(none, part.profile).plain == "invalid"


def test_a_low_terminal_shows_the_service_whose_turn_it_is(part: Part) -> None:
    at = [service.label for service in part.services].index("tornado")
    rows = board.around([service.label for service in part.services], at, 4)
    assert len(rows) == 4 and "tornado" in rows
    assert board.around(["a", "b"], 1, 9) == ["a", "b"]


def test_no_colour_where_none_is_wanted(part: Part) -> None:
    assert COLOURS.search(written(part, 80, color_system="256"))
    assert not COLOURS.search(written(part, 80, no_color=True))


def test_columns_are_named_by_what_they_differ_in() -> None:
    assert board.apart(["a-10-users-1ms", "a-50-users-1ms"]) == ["10", "50"]
    assert board.apart(["10-users", "idle"]) == ["10-users", "idle"]
    assert board.apart(["10-users"]) == ["10-users"]


@pytest.mark.parametrize(
    ("terminal", "variables", "watched"),
    [
        (True, {"TERM": "xterm"}, True),
        (False, {"TERM": "xterm"}, False),
        (True, {"TERM": "xterm", "CI": "true"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_only_people_get_it(
    monkeypatch: pytest.MonkeyPatch, terminal: bool, variables: dict[str, str], watched: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal, raising=False)
    monkeypatch.delenv("CI", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert progress.watched() is watched


def test_without_a_terminal_a_table_ends_the_lines(
    part: Part, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = progress.Progress([part])
    shown.begin(part, next(one for one in part.services if one.label == "sanic"))
    shown.show(point())
    shown.end()
    shown.result()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("[") and " left] round 1  sanic " in lines[0]
    assert lines[1].startswith("standard: ")
    (row,) = [line for line in lines[2:] if line.startswith("sanic ")]
    assert row.split()[1:3] == ["·", "90%"]


def test_a_service_that_died_has_the_last_line_of_its_log(
    part: Part, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = progress.Progress([part])
    died = {"valid": False, "invalid_because": ["sanic exited with 1"], "duration_s": 0.0}
    shown.show(point(log_tail="Traceback:\nKeyError: 'TOKEN'", **died))
    assert "    INVALID: sanic exited with 1: KeyError: 'TOKEN'\n" in capsys.readouterr().out


def test_a_screen_keeps_what_is_said_meanwhile(
    part: Part, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reason why a point is invalid stands above the table, and no second table below it."""
    file = io.StringIO()
    screen = Console(file=file, width=80, force_terminal=True)
    monkeypatch.setattr(progress, "_board", lambda: board.Board(screen))
    shown = progress.Progress([part])
    shown.begin(part, next(one for one in part.services if one.label == "sanic"))
    shown.show(point(valid=False, invalid_because=["the wait was skipped"]))
    shown.end()
    shown.result()
    said = file.getvalue() + capsys.readouterr().out
    assert "INVALID: sanic, 10-users-100ms: the wait was skipped" in said
    assert said.count("standard: ") <= 4  # each time that it was drawn
