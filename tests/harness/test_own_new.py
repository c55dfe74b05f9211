"""`waits new` and `waits check`, in a copy of the checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from loadtests.catalog import BACKEND, ROOT
from loadtests.own import check
from loadtests.runtime import environments
from tests.harness.commandline import Command

NAMED = ("compose.yaml", "pyproject.toml", "Makefile", "README.md")
FOLDERS = ("services", "loadtests", "tests", "docs", "deploy")
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyc", "requirements.pyc")


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout of its own, with the backend's environment of this one."""
    root = tmp_path_factory.mktemp("checkout")
    for name in FOLDERS:
        shutil.copytree(ROOT / name, root / name, ignore=LEFT_OUT)
    for name in NAMED:
        shutil.copy(ROOT / name, root)
    (root / ".venvs").mkdir()
    environments.ensure([BACKEND])
    (root / ".venvs" / BACKEND).symlink_to(ROOT / ".venvs" / BACKEND)
    return root


def waits(copy: Path, *words: str) -> tuple[int, str, str]:
    """A command in the copy: status, output, complaints."""
    with Command(*words, command=(sys.executable, "-m", "loadtests"), cwd=copy) as command:
        return command.end(timeout_s=120)


def test_a_new_folder_passes_the_core_contract(copy: Path) -> None:
    status, said, complaint = waits(copy, "new", "mine", "--like", "scratch-epoll")
    assert (status, complaint) == (0, ""), complaint
    folder = copy / "services" / "scratch" / "epoll" / "mine"
    lines = [line for file in folder.iterdir() for line in file.read_text().splitlines()]
    assert 0 < len(lines) <= 60
    for name in ("compose.yaml", "deploy/base/services.yaml"):
        assert "scratch-epoll-mine" in (copy / name).read_text()
    status, said, complaint = waits(copy, "check", "scratch-epoll-mine")
    assert status == 0, said + complaint
    assert "ok      core contract" in said and "MISSING" not in said

    (folder / "app.py").write_text('"""Nothing waits."""\n')
    (folder / "requirements.in").write_text("no-such-package\n")
    status, said, _ = waits(copy, "check", "scratch-epoll-mine")
    assert status == 1
    assert "MISSING lock" in said and "no-such-package not in the lock" in said
    assert ("MISSING core contract" in said and "FAILED " in said) or "ERROR " in said
    assert len(said.splitlines()) < 50, "one screen"


@pytest.mark.parametrize("there", [set(), {"pytest"}, {"pytest", "xdist"}])
def test_tests_run_in_the_environment_of_the_tests(
    there: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever calls: Locust brings pytest into the harness's own, without what the tests need."""
    asked: list[list[str]] = []

    def run(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(check, "find_spec", lambda name: name if name in there else None)
    monkeypatch.setattr(check.subprocess, "run", run)
    assert check.run("fastapi") == 0
    assert len(asked) == 2
    for command in asked:
        assert ("--tests" in command) == ("xdist" not in there), command


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["new", "My_Name", "--like", "tornado"], "must be a word of small letters"),
        (["new", "bare", "--like", "tornado"], "is there already"),
        (["new", "mine", "--like", "tornadoo"], "did you mean tornado"),
        (["check", "tornadoo"], "did you mean tornado"),
    ],
)
def test_what_cannot_be_made(copy: Path, words: list[str], says: str) -> None:
    before = sorted((copy / "services" / "tornado").rglob("*"))
    status, _, complaint = waits(copy, *words)
    assert status == 2 and says in complaint
    assert sorted((copy / "services" / "tornado").rglob("*")) == before
