"""The program outside of a checkout: it reads its own files, and writes in other places."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from loadtests.catalog import ROOT


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that pyproject.toml puts into a wheel, laid out as there."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]
    wheel = wheel["targets"]["wheel"]
    site = tmp_path_factory.mktemp("site-packages")
    without = shutil.ignore_patterns("__pycache__", *map(os.path.basename, wheel["exclude"]))
    assert wheel["sources"].keys() == set(wheel["only-include"])
    for source, target in wheel["sources"].items():
        shutil.copytree(ROOT / source, site / target, ignore=without)
    for source, target in wheel["force-include"].items():
        shutil.copy(ROOT / source, site / target)
    (path,) = site.glob("*.pth")
    return site / path.read_text().strip()


def run_in(
    folder: Path, installed: Path, *words: str, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(installed), **variables}
    command = [sys.executable, *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def test_it_writes_to_the_current_folder_and_the_users_caches(
    installed: Path, tmp_path: Path
) -> None:
    script = "from loadtests import paths as p; print(p.CHECKOUT, p.ROOT, p.RESULTS, p.CACHE)"
    done = run_in(tmp_path, installed, "-c", script, XDG_CACHE_HOME=str(tmp_path / "cache"))
    assert done.returncode == 0, done.stderr
    if sys.platform == "linux":
        where = installed, tmp_path / "results", tmp_path / "cache" / "waiting-services"
        assert done.stdout.split() == ["False", *map(str, where)]


def test_it_advises_from_the_results_that_came_with_it(installed: Path, tmp_path: Path) -> None:
    """In an empty folder, which stays empty."""
    script = "import sys; from loadtests.cli.main import run"
    question = ["advise", "--delay", "0.2", "--rate", "300", "--force"]
    done = run_in(tmp_path, installed, "-c", f"{script}; sys.exit(run({question}))")
    assert (done.returncode, done.stderr) == (0, "")
    assert "300 requests/s" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_it_names_the_command_that_works_in_a_checkout(installed: Path, tmp_path: Path) -> None:
    """Of those that add to the project's own files."""
    script = "import sys; from loadtests.cli.main import run; sys.exit(run(sys.argv[1:]))"
    for words in (["new", "mine", "--like", "fastapi"], ["lock"], ["check", "fastapi-mine"]):
        done = run_in(tmp_path, installed, "-c", script, *words)
        assert done.returncode == 2
        assert f"python3 loadtests/bootstrap.py -m loadtests {' '.join(words)}\n" in done.stderr


def test_it_has_all_files_that_a_bench_reads(installed: Path) -> None:
    for name in ("compose.yaml", "services/Dockerfile", "loadtests/profiles.toml"):
        assert (installed / name).is_file(), name
    for folder in ("services", "loadtests"):
        recipe = (installed / folder / "Dockerfile").read_text(encoding="utf-8")
        for files in re.findall(r"^COPY (?!--from)(.+) \S+$", recipe, re.M):
            for name in files.split():
                assert (installed / name).exists(), f"{folder}/Dockerfile copies {name}"
    assert not (installed / "pyproject.toml").exists()
