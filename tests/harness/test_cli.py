"""The program: what its output does when nobody reads it, and how its errors are told."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests import diff
from loadtests.bench import machine
from loadtests.catalog import ROOT
from loadtests.cli import hints
from loadtests.cli.app import app
from loadtests.cli.main import run as waits

WAITS = (sys.executable, "-m", "loadtests")


def said_by(*words: str, **variables: str) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, **variables}
    return subprocess.run(
        [*WAITS, *words], cwd=ROOT, env=environment, capture_output=True, check=False
    )


def verbs() -> list[str]:
    return [command.name or "" for command in app.registered_commands]


def test_alone_it_lists_all_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert waits([]) == 0
    shown = capsys.readouterr().out
    for verb in verbs():
        (line,) = re.findall(rf"^  {verb} .*", shown, re.M)
        assert not line.endswith("...")


@pytest.mark.parametrize("verb", verbs())
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert waits([verb, "--help"]) == 0
    assert f"Usage: waits {verb}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("benhc",), "Did you mean 'bench'?"),
        (("bench", "--profle", "x"), "No such option: --profle"),
        (("bench", "--profile"), "requires an argument"),
        (("bench", "x"), "unexpected extra argument"),
        (("ladder", "--rounds", "0"), "'--rounds'"),
        (("try", "http://127.0.0.1:1", "--delay", "0,2"), "not 0,2: write 0.2"),
        (("try", "http://127.0.0.1:1", "--delay", "1m"), "seconds, like 0.2 or 200ms, not 1m"),
    ],
)
def test_wrong_words_are_told_in_one_line(
    words: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert waits(words) == 2
    shown = capsys.readouterr()
    assert (shown.out, shown.err.count("\n")) == ("", 1)
    assert said in shown.err
    verb = f" {words[0]}" if words[0] in verbs() else ""
    assert shown.err.endswith(f"; waits{verb} --help says what there is\n")


def test_its_version_is_the_commit(capsys: pytest.CaptureFixture[str]) -> None:
    assert waits(["--version"]) == 0
    assert capsys.readouterr().out == f"waits {machine.commit()}\n"


def test_what_to_go_on_with_works_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is no Makefile in another than the checkout, and its RESULTS are paths from there."""
    monkeypatch.chdir(ROOT)
    assert hints.after_a_run(ROOT / "results")[0].startswith("  make open ")
    monkeypatch.chdir(tmp_path)
    first = hints.after_a_run(Path("waits-results"))[0]
    program = f"python3 {ROOT}/loadtests/bootstrap.py -m loadtests"
    assert first.startswith(f"  {program} open --results waits-results ")


def test_against_is_not_taken_where_it_does_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert waits(["bench", "--against", "flask-threads"]) == 2
    assert capsys.readouterr().err.startswith("--against goes with --file waits.toml")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "/a/run.json"), "/a/run.json: No space "),
        (OSError(errno.EAGAIN, "Resource temporarily unavailable"), "Resource temporarily "),
        (RuntimeError("can't start new thread"), "can't start new thread: raise `ulimit -u`"),
    ],
)
def test_what_the_machine_refuses_is_told_in_one_line(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: str) -> list[str]:
        raise error

    monkeypatch.setattr(diff, "differences", refuse)
    assert waits(["diff", "tornado", "tornado-blocking"]) == 1
    shown = capsys.readouterr().err
    assert (shown.startswith(said), shown.count("\n")) == (True, 1)


def test_a_fault_of_the_program_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: str) -> list[str]:
        raise FileNotFoundError(errno.ENOENT, "No such file", "a template")

    monkeypatch.setattr(diff, "differences", broken)
    with pytest.raises(FileNotFoundError):
        waits(["diff", "tornado", "tornado-blocking"])


def test_a_reader_that_goes_ends_nothing() -> None:
    """As of `waits diff … | head -1`, but with a pipe that nobody ever reads from."""
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "wb") as pipe:
        command = [*WAITS, "diff", "tornado", "tornado-blocking"]
        done = subprocess.run(command, cwd=ROOT, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_a_locale_without_a_sign_gets_another(encoding: str) -> None:
    done = said_by("diff", "tornado", "tornado-blocking", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"  ?  " in done.stdout.splitlines()[0]  # in place of an arrow
