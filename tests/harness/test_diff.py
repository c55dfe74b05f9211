"""`make diff`: two services side by side, or a line that says what to type."""

from __future__ import annotations

import subprocess
import sys

import pytest

from loadtests.catalog import ROOT


def diff(*names: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "loadtests.diff", *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_two_services_stand_side_by_side() -> None:
    done = diff("tornado", "sanic")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == ["Tornado", "Sanic"]
    assert "from tornado.web import" in done.stdout and "from sanic.response import" in done.stdout


def test_twins_are_said_to_be_the_same() -> None:
    done = diff("flask-threads", "flask-gevent")
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1].startswith("flask-threads and flask-gevent are the same")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ((), "which two?"),
        (("tornado",), "which two?"),
        (("tornado", ""), "which two?"),
        (("tornado", "tornedo"), "no service 'tornedo'; there are: "),
    ],
)
def test_what_cannot_be_compared_is_one_line(names: tuple[str, ...], said: str) -> None:
    done = diff(*names)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(said) and done.stderr.count("\n") == 1
