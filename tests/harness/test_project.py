"""The project's shape: what a reader expects to find, and what must not be in it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from loadtests.catalog import ROOT

TOP = {
    "README.md", "Makefile", "compose.yaml", "pyproject.toml", "LICENSE", "action.yml",
    ".ci", ".github", "services", "loadtests", "results", "tests", "docs", "deploy",
}  # fmt: skip
PARTS = (
    "services/CONTRACT.md",
    "services/Dockerfile",
    "services/folders.py",
    "services/requirements.txt",
    "services/backend/serve",
    "loadtests/Dockerfile",
    "loadtests/locustfile.py",
    "loadtests/profiles.toml",
    "loadtests/record/run.schema.json",
    "loadtests/ladder",
    "docs/how-waiting-works.md",
    ".ci/run",
    "tests/contract",
    "tests/harness",
    "tests/compose",
)
LONGEST = 250


def files() -> list[Path]:
    """The files that are, or are about to be, in the repository."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout")
    return [path for path in map(ROOT.joinpath, done.stdout.splitlines()) if path.is_file()]


def containing(pattern: str, paths: list[Path]) -> list[str]:
    """Where `pattern` is found."""
    found = []
    for path in paths:
        text = path.read_text(errors="replace")
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in re.finditer(pattern, text)]
    return found


@pytest.mark.parametrize("name", sorted(TOP | set(PARTS)))
def test_it_is_there(name: str) -> None:
    assert (ROOT / name).exists()


def test_nothing_else_is_on_top() -> None:
    shown = {path.relative_to(ROOT).parts[0] for path in files()}
    assert {name for name in shown - TOP if not name.startswith(".")} == set()


def test_the_readme_names_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text()
    assert re.search(r"^ *make bench\b", text, re.M)
    assert re.search(r"^ *make test\b", text, re.M)


def test_no_path_of_a_machine_that_built_something() -> None:
    homes = "|".join(
        ("/" + "root/", "/" + "home/[a-z]", "/" + "Users/", "/" + "work/", r"[^a-z$\w]/" + "tmp/w")
    )
    assert containing(homes, files()) == []


def test_the_locks_name_no_index() -> None:
    locks = [path for path in files() if path.name == "requirements.txt"]
    folders = {path.relative_to(ROOT).parent.as_posix() for path in locks}
    assert folders == {"loadtests", "services", "tests"}  # one for all services
    assert (
        containing(r"(?m)^ *(--index-url|--extra-index-url|--find-links|-i ).*|https?://\S+", locks)
        == []
    )


def test_results_stay_lean() -> None:
    """Pages that `make report` makes are not kept, and a clone is no burden."""
    kept = [path for path in files() if path.relative_to(ROOT).parts[0] == "results"]
    assert [path for path in kept if path.suffix == ".html"] == []
    assert sum(path.stat().st_size for path in kept) <= 6 * 2**20
    for path in kept:
        if path.name == "run.json":
            text = path.read_text(encoding="utf-8")
            points, overloads = text.count('"scenario":'), text.count('"seconds":')  # and summaries
            drawn = text.count('"added_histogram":')
            # An overload is told second by second; delays that are drawn spread over seconds, too,
            # and have a histogram more.
            most = 50_000 + 1_500 * points + 6_000 * overloads + 2_500 * drawn
            assert path.stat().st_size <= most, path


def test_modules_stay_short() -> None:
    long = {
        path.name: lines
        for path in (ROOT / "loadtests").rglob("*.py")
        if (lines := len(path.read_text().splitlines())) >= LONGEST
    }
    assert long == {}


def test_files_come_out_of_git_with_the_ends_of_lines_of_a_shell() -> None:
    """Lines end in LF whatever git's settings are: containers and shells read the files."""
    asked = ["services/fastapi/serve", "services/fastapi/app.py", ".ci/run", "compose.yaml"]
    command = ["git", "check-attr", "text", "eol", "--", *asked]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout")
    found = [line.rpartition(": ")[2] for line in done.stdout.splitlines()]
    assert found == ["auto", "lf"] * len(asked)
