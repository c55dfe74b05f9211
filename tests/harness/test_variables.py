"""A stranger's environment changes nothing: its variables, locale, home and limits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import runs
from hostile import HOSTILE, OF_A_PROCESS

from loadtests import record, variables
from loadtests.catalog import ROOT

ASKED_OF_WAITS = ("advise", "--delay", "0.2", "--rate", "300")
PYTHON = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
ASKED = ("make", "advise", "DELAY=0.2", "RATE=300", f"PYTHON={PYTHON}")


def said_by(*command: str, cwd: Path = ROOT, **given: str) -> str:
    """Its standard output; AssertionError where it fails or complains."""
    ours = {name: os.environ[name] for name in ("PATH", "UV_CACHE_DIR") if name in os.environ}
    done = subprocess.run(command, cwd=cwd, env=ours | given, capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, ""), done.stdout
    return done.stdout.decode()


def test_which_variables_are_heeded() -> None:
    """Where packages come from must be: strangers have mirrors and proxies."""
    heeded = dict.fromkeys(
        [
            *("PATH", "HOME", "TERM", "NO_COLOR", "WORKERS", "DOCKER_HOST", "HTTPS_PROXY"),
            *("PIP_INDEX_URL", "PIP_CERT", "PIP_TRUSTED_HOST", "SSL_CERT_FILE", "UV_INDEX"),
            *("UV_INDEX_URL", "UV_DEFAULT_INDEX", "UV_INDEX_MINE_PASSWORD", "UV_CACHE_DIR"),
            "PYTHONIOENCODING",
        ],
        "1",
    )
    refused = {name: "1" for name in HOSTILE if name.startswith(("PYTHON", "PIP_", "UV_", "LOC"))}
    assert len(refused) > 20
    assert variables.heeded(heeded | refused) == heeded


def test_a_hostile_environment_changes_nothing(tmp_path: Path) -> None:
    """Nor is anything written to the home folder or to that for temporary files."""
    home, temporary = tmp_path / "home", tmp_path / "tmp"
    home.mkdir()
    temporary.mkdir()
    home.chmod(0o500)
    there = {"HOME": str(home), "TMPDIR": str(temporary)}
    of_make = ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")  # of the make that runs the tests
    plain = {name: value for name, value in os.environ.items() if name not in of_make}
    plainly = subprocess.run(ASKED, cwd=ROOT, env=plain, stdout=subprocess.PIPE, check=True)
    assert said_by(*ASKED, **HOSTILE, **there) == plainly.stdout.decode()
    assert [*home.iterdir(), *temporary.iterdir()] == []


def test_started_without_make_it_starts_over() -> None:
    """As `waits` does, where it is installed: with the variables of whoever calls it."""
    asked = (sys.executable, "-m", "loadtests", *ASKED_OF_WAITS)
    assert said_by(*asked, **OF_A_PROCESS) == said_by(*asked)


def test_files_are_utf8_whatever_the_locale(tmp_path: Path) -> None:
    """Where it has ASCII alone; a report's × and – are none."""
    folder = tmp_path / "results" / "one"
    folder.mkdir(parents=True)
    record.save(runs.made_up(users=(10,)), folder / "run.json")
    ascii_only = (sys.executable, "-X", "utf8=0", "-m", "loadtests")
    said_by(*ascii_only, "report", "--results", str(tmp_path / "results"), LC_ALL="C")
    assert "×" in (folder / "report.md").read_text(encoding="utf-8")
    assert said_by(*ascii_only, *ASKED_OF_WAITS, LC_ALL="C")
