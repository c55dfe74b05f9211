"""action.yml: each of its steps, run as GitHub does, with the measurement and `gh` replaced."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtests.catalog import ROOT

ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS: list[dict[str, Any]] = ACTION["runs"]["steps"]
MEASURE = "import sys; print('worse:', *sys.argv[1:]); sys.exit(int(open('status').read()))"
INPUTS = {
    "BASE": "main",
    "INSTALL": "echo installed >>installed",
    "FILE": "waits.toml",
    "PROFILE": "smoke",
    "ROUNDS": "5",
    "FAIL_ABOVE": "10%",
    "NUMBER": "7",
}


@pytest.fixture
def variables(tmp_path: Path) -> dict[str, str]:
    """A repository with its origin, and the variables that a runner sets."""
    for name in ("runner", "programs", "action/loadtests"):
        (tmp_path / name).mkdir(parents=True)
    origin, work = tmp_path / "origin", tmp_path / "work"
    git = ("git", "-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run([*git, "init", "-q", "-b", "main", str(origin)], check=True)
    (origin / "waits.toml").write_text("", encoding="utf-8")
    subprocess.run([*git, "add", "."], cwd=origin, check=True)
    subprocess.run([*git, "commit", "-q", "-m", "x"], cwd=origin, check=True)
    subprocess.run([*git, "clone", "-q", str(origin), str(work)], check=True)
    (work / "status").write_text("1", encoding="utf-8")
    (tmp_path / "action/loadtests/bootstrap.py").write_text(MEASURE, encoding="utf-8")
    gh = tmp_path / "programs" / "gh"
    gh.write_text('#!/bin/sh\necho "$@" >"$RUNNER_TEMP/commented"\n', encoding="utf-8")
    gh.chmod(0o755)
    return {
        **INPUTS,
        "PATH": f"{tmp_path}/programs:{os.environ['PATH']}",
        "RUNNER_TEMP": str(tmp_path / "runner"),
        "GITHUB_WORKSPACE": str(work),
        "GITHUB_ACTION_PATH": str(tmp_path / "action"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "runner" / "summary"),
    }


def ran(step: dict[str, Any], variables: dict[str, str]) -> int:
    """The status of a step's script, as `shell: bash` of GitHub runs it."""
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(
        command, cwd=variables["GITHUB_WORKSPACE"], env=variables, check=False
    ).returncode


def test_it_comments_and_fails_where_it_is_worse(variables: dict[str, str]) -> None:
    runner = Path(variables["RUNNER_TEMP"])
    assert [ran(step, variables) for step in STEPS] == [0, 0, 0, 1]
    work = variables["GITHUB_WORKSPACE"]
    for side in (runner / "waits-base", Path(work)):
        assert (side / "installed").read_text(encoding="utf-8") == "installed\n"
    said = (runner / "summary").read_text(encoding="utf-8")
    files = f"{runner}/waits-base/waits.toml {work}/waits.toml"
    assert f"-m loadtests compare {files} --format github --profile smoke" in said
    assert said == (runner / "waits.md").read_text(encoding="utf-8")
    commented = (runner / "commented").read_text(encoding="utf-8")
    assert commented.startswith("pr comment 7 ") and f"--body-file {runner}/waits.md" in commented


def test_a_base_without_the_file_is_no_failure(variables: dict[str, str]) -> None:
    other = variables | {"FILE": "new.toml"}
    assert [ran(step, other) for step in STEPS] == [0, 0, 0, 0]
    said = (Path(variables["RUNNER_TEMP"]) / "summary").read_text(encoding="utf-8")
    assert said == "The base has no new.toml: nothing to compare with yet.\n"


def test_why_nothing_was_compared_is_the_comment(variables: dict[str, str]) -> None:
    program = Path(variables["GITHUB_ACTION_PATH"]) / "loadtests/bootstrap.py"
    program.write_text("import sys; sys.exit('not comparable: x')", encoding="utf-8")
    assert [ran(step, variables) for step in STEPS] == [0, 0, 0, 1]
    said = (Path(variables["RUNNER_TEMP"]) / "waits.md").read_text(encoding="utf-8")
    assert said == "not comparable: x\n"


def test_scripts_take_what_is_given_from_variables_only() -> None:
    for step in STEPS:
        assert "${{" not in step["run"], step["name"]
        assert set(step.get("env", {})) - {"GH_TOKEN"} <= INPUTS.keys()
