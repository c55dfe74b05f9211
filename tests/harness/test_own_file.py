"""`waits.toml`: a service in a repository of its own, measured among those of this one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from loadtests import record
from loadtests.bench import rounds
from loadtests.bench.profiles import UnknownProfile
from loadtests.compare.comparable import obstacles
from loadtests.errors import UsageError
from loadtests.own import bench, sides
from loadtests.own.file import read
from loadtests.own.program import started_with
from loadtests.record import Run
from loadtests.runtime import ServiceFailed
from tests.harness.commandline import runs_in
from tests.harness.conftest import SETTINGS, Stage
from tests.harness.own.started import PLAIN

GOOD = f"""
name = "orders"
command = '"{sys.executable}" "{PLAIN}"'
environment = {{PORT = "{{port}}", UPSTREAM = "{{upstream}}"}}
path = "/orders/1"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file without mistakes."""
    path = tmp_path / "repository" / "waits.toml"
    path.parent.mkdir()
    path.write_text(GOOD)
    return path


MISTAKES = {
    "no TOML": ("path =", "path", "waits.toml: "),
    "no path": ("path", "method", "path is missing"),
    "a key nobody knows": ("path", "slot = 1\npath", "unknown key 'slot' (did you mean slots?)"),
    "no text": ('"/orders/1"', "1", "path must be a text"),
    "no upstream": ("{upstream}", "x", "no {upstream}: give the variable"),
    "no port": ("{port}", "8000", "no {port} in command or environment"),
    "neither": ("command = ", "expect = ", "command or image must be there"),
    "an empty image": ("command = ", 'image = ""  # ', "command or image must be there"),
    "a folder for an image": ("path", 'image = "x"\ndirectory = "."\npath', "not for an image"),
    "a bad name": ('"orders"', '"My Orders"', "name must be of small letters"),
    "a number as a variable": ('"{port}"', "1", "environment must have texts"),
    "no folder": ("path", 'directory = "no"\npath', "directory 'no' is not there"),
    "a port for a command": ("path", "port = 8000\npath", "port is for an image"),
    "a model nobody knows": ("path", 'model = "threadz"\npath', "(did you mean threads?)"),
    "an open quote": ("command = '", "command = '\"", "command: No closing quotation"),
    "no slots": ("path", "slots = 0\npath", "slots must be 1 or more"),
    "a bad header": ("path", 'headers = ["x"]\npath', "a header must look like"),
    "too much": ("path", "upstream_bytes = 2000000\npath", "upstream_bytes must be from 0"),
}


@pytest.mark.parametrize("way", MISTAKES)
def test_a_mistake_is_one_line(file: Path, way: str) -> None:
    old, new, says = MISTAKES[way]
    assert old in GOOD
    file.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        read(file)
    (line,) = str(raised.value).splitlines()
    assert says in line and line.startswith(str(file))


def test_an_image_says_where_it_listens(file: Path) -> None:
    image = GOOD.replace('PORT = "{port}", ', "").replace("command =", 'image = "x" #')
    file.write_text(image, encoding="utf-8")
    with pytest.raises(UsageError, match="image without port: set port = 8000"):
        read(file)
    file.write_text(image + "port = 8000\n", encoding="utf-8")
    assert read(file).port == 8000


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("path =", 'pass = ["NO_SUCH"]\npath =', "pass names NO_SUCH, not set here"),
        (f'"{sys.executable}"', "no-such-program", "there is no program 'no-such-program' in"),
    ],
)
def test_what_is_not_there_is_found_before_anything_is_measured(
    file: Path, old: str, new: str, says: str
) -> None:
    file.write_text(GOOD.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UsageError, match=says):
        bench.parts(file, "none", "smoke", "auto", SETTINGS)


def test_nobody_asked_for_the_runtime_of_a_command(file: Path) -> None:
    (part,) = bench.parts(file, "none", "smoke", "auto", SETTINGS)
    assert (part.runtime.name, part.runtime.because) == ("local", "a command of your own runs here")
    with pytest.raises(UsageError, match="no runtime 'foo'; there are: auto, local, compose"):
        bench.parts(file, "none", "smoke", "foo", SETTINGS)


def test_each_mistake_has_its_line(file: Path) -> None:
    file.write_text("slots = 0.5\nmethods = 'GET'\n", encoding="utf-8")
    with pytest.raises(UsageError) as raised:
        read(file)
    assert len(str(raised.value).splitlines()) == 4  # path and command are missing, too


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read(tmp_path / "waits.toml")


def test_it_sees_no_variables_but_its_own(file: Path) -> None:
    file.write_text(GOOD + 'pass = ["TOKEN", "NOT_THERE"]\n', encoding="utf-8")
    given = {"PATH": os.defpath, "HOME": "/home", "HTTP_PROXY": "x", "TOKEN": "t"}
    program = started_with(read(file), 4711, "http://127.0.0.1:9", given)
    assert program.words == [sys.executable, PLAIN]
    assert program.folder == file.parent
    assert program.variables["PATH"].endswith(os.defpath)
    assert {key: value for key, value in program.variables.items() if key != "PATH"} == {
        "HOME": "/home",
        "TOKEN": "t",
        "PORT": "4711",
        "UPSTREAM": "http://127.0.0.1:9",
        "PYTHONUNBUFFERED": "1",
    }


def test_its_virtual_environment_comes_first(file: Path) -> None:
    programs = file.parent / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "serve-orders").symlink_to("/bin/sh")
    file.write_text(GOOD.replace(f'"{sys.executable}"', "serve-orders"), encoding="utf-8")
    assert started_with(read(file), 1, "").words[0] == str(programs / "serve-orders")
    (programs / "serve-orders").unlink()
    with pytest.raises(ServiceFailed, match="no program 'serve-orders'"):
        started_with(read(file), 1, "")


def test_a_virtual_environment_beside_its_file_is_found_from_its_folder(file: Path) -> None:
    programs = file.parent / ".venv" / "bin"
    programs.mkdir(parents=True)
    (programs / "serve-orders").symlink_to("/bin/sh")
    (file.parent / "src").mkdir()
    text = GOOD.replace(f'"{sys.executable}"', "serve-orders") + 'directory = "src"\n'
    file.write_text(text, encoding="utf-8")
    program = started_with(read(file), 1, "")
    assert (program.words[0], program.folder) == (
        str(programs / "serve-orders"),
        file.parent / "src",
    )


def measured(file: Path, results: Path, against: str = "none") -> Run:
    """The run of it at smoke length."""
    rounds.run("smoke", bench.parts(file, against, "smoke", "local", SETTINGS), results)
    (folder,) = runs_in(results)
    return record.load(folder / "run.json")


def reasons(run: Run) -> str:
    """Why points of it are not believed."""
    points = [point for point in run.points if point.service == "orders"]
    return "\n".join(reason for point in points for reason in point.invalid_because)


def test_it_is_measured_beside_a_service_of_this_repository(
    file: Path, stage: Stage, tmp_path: Path
) -> None:
    stage("good")
    few = GOOD.replace(f'"{PLAIN}"', f'"{PLAIN}" slots=20')
    file.write_text(few + "slots = 20\nupstream_bytes = 300\n", encoding="utf-8")
    run = measured(file, tmp_path / "results", "good")
    assert run.services["orders"]["kind"] == "own"
    assert run.services["orders"]["info"]["slots"] == 20
    points = {(point.service, point.users): point for point in run.points}
    assert points.keys() == {(name, users) for name in ("orders", "good") for users in (10, 50)}
    for point in run.points:
        assert point.requests > 20 and not point.failures, point
    assert points["orders", 50].ceiling_rps == 200 and points["orders", 50].binding == "slots"
    assert "the backend received" not in reasons(run), reasons(run)
    (folder,) = runs_in(tmp_path / "results")
    report = (folder / "report.md").read_text(encoding="utf-8")
    assert "| orders" in report and "*own* |" in report
    assert "waits bench --file waits.toml --profile smoke --against good" in report


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (f'"{sys.executable}" "{PLAIN}" calls=2', "the backend received "),
        (f'"{sys.executable}" "{PLAIN}" fails=3', " status 503)"),
        (f'"{sys.executable}" -c 1/0', "exited with 1 before it was ready"),
    ],
)
def test_the_rules_are_those_of_all(
    file: Path, stage: Stage, tmp_path: Path, command: str, says: str
) -> None:
    stage()
    file.write_text(GOOD.replace(f'"{sys.executable}" "{PLAIN}"', command), encoding="utf-8")
    assert says in reasons(measured(file, tmp_path / "results"))


def test_two_files_are_the_sides_of_one_run(file: Path, stage: Stage) -> None:
    stage()
    other = file.parent.parent / "waits.toml"
    few = GOOD.replace(f'"{PLAIN}"', f'"{PLAIN}" slots=5') + "slots = 5\n"
    other.write_text(few, encoding="utf-8")
    a, b, whole = sides.measured((file, other), "smoke", "local", "2", SETTINGS)
    (folder,) = runs_in(other.parent / bench.RESULTS)
    assert record.load(folder / "run.json").points == whole.points
    assert {point.service for point in whole.points} == {"orders@A", "orders@B"}
    assert len(a.points) == len(b.points) == 4
    assert not [text for text in obstacles(a, b) if "concurrency" in text]
    most = [next(row.rps for row in run.summary if row.users == 50) for run in (a, b)]
    assert most[0] and most[1] and most[1].median < 52 < most[0].median
    other.write_text(GOOD.replace("orders", "others", 1), encoding="utf-8")
    with pytest.raises(UsageError, match="orders and others are two services"):
        sides.measured((file, other), "smoke", "local", "2", SETTINGS)


def test_a_profile_that_asks_for_more_than_a_call(file: Path) -> None:
    with pytest.raises(UnknownProfile, match="only a service of this project has"):
        bench.parts(file, "none", "chat", "local", SETTINGS)


def test_its_name_is_no_services_of_this_repository(file: Path) -> None:
    file.write_text(GOOD.replace('"orders"', '"tornado"'), encoding="utf-8")
    with pytest.raises(UsageError, match="that of a service here"):
        bench.parts(file, "none", "smoke", "local", SETTINGS)


def test_a_command_runs_in_no_container(file: Path) -> None:
    with pytest.raises(UsageError, match="a command runs here, not in a container"):
        bench.parts(file, "none", "smoke", "compose", SETTINGS)


def test_an_image_runs_in_no_process(file: Path) -> None:
    file.write_text(GOOD + 'image = "orders"\n', encoding="utf-8")
    with pytest.raises(UsageError, match="an image runs in a container"):
        bench.parts(file, "none", "smoke", "local", SETTINGS)
