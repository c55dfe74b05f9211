"""`make diff`: what two services differ in, or a line that says what to type."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Stage

from loadtests import catalog, diff
from loadtests.cli.main import run as waits

Said = Callable[[str, str], list[str]]


@pytest.fixture
def said(stage: Stage, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    """`said("a", "a-b")`: what the command prints of a service on a stage and its variant."""
    a, b = stage("a", "b")
    shutil.move(b.folder, a.folder / "b")
    monkeypatch.setattr(diff, "SERVICES", catalog.SERVICES)
    (variant() / "app.py").unlink()
    (a.folder / "app.py").write_text("import client\n\n\nwait()\n")
    (a.folder / "client.py").write_text("url = 1\n")

    def run(*names: str) -> list[str]:
        assert waits(["diff", *names]) == 0
        return capsys.readouterr().out.splitlines()

    return run


def variant() -> Path:
    return catalog.SERVICES / "a" / "b"


def test_only_differences_are_shown(said: Said) -> None:
    (variant() / "serve").unlink()
    (variant() / "client.py").write_text("url = 2\n")
    assert said("a", "a-b") == [
        "fake  →  fake",
        "",
        "--- a/client.py",
        "+++ a/b/client.py",
        "@@ -1 +1 @@",
        "-url = 1",
        "+url = 2",
        "",
        "The same in both: app.py, serve",
    ]


def test_a_file_that_only_one_has(said: Said) -> None:
    (variant() / "chat.py").write_text("hello\n")
    shown = said("a-b", "a")
    assert shown[2:6] == ["--- a/b/chat.py", "+++ (no such file)", "@@ -1 +0,0 @@", "-hello"]


def test_how_they_are_served_is_all(said: Said) -> None:
    shown = said("a", "a-b")
    assert shown[2:4] == ["--- a/serve", "+++ a/b/serve"]
    assert (
        shown[-1] == "They differ only in how they are served; the same in both: app.py, client.py"
    )


def test_nothing_differs(said: Said) -> None:
    (variant() / "serve").unlink()
    assert said("a", "a-b")[2:] == ["All their files are the same: app.py, client.py, serve"]


@pytest.mark.parametrize(
    ("one", "other", "files"),
    [
        ("tornado", "tornado-blocking", {"app.py", "client.py"}),
        ("fastapi", "fastapi-httpx", {"client.py"}),
        ("flask-threads", "flask-gevent", {"serve"}),
        ("scratch-epoll", "scratch-poll", {"serve"}),
    ],
)
def test_the_projects_variants_differ_in_few_files(one: str, other: str, files: set[str]) -> None:
    lines = list(diff.differences(one, other))
    shown = {line.rpartition("/")[2] for line in lines if line.startswith("+++ ")}
    assert shown <= files
    assert len([line for line in lines if line.startswith(("+", "-"))]) < 120


@pytest.mark.parametrize(
    ("names", "complaint"),
    [
        ((), "which two services?"),
        (("tornado",), "which two services?"),
        (("tornado", ""), "which two services?"),
        (("tornado", "tornedo"), "no service 'tornedo'; there are: "),
    ],
)
def test_a_bad_question_is_refused_in_one_line(
    names: tuple[str, ...], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert waits(["diff", *names]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(complaint) and said.err.count("\n") == 1
