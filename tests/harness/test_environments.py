"""Environments follow their locks: built once, rebuilt when the lock changes, and only then."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from loadtests import bootstrap
from loadtests.catalog import ROOT
from loadtests.runtime import environments
from loadtests.runtime.environments import InstallError

MARKUPSAFE = bootstrap.pin_of("markupsafe", (ROOT / "tests" / "requirements.txt").read_text())
CLICK = bootstrap.pin_of("click", (ROOT / "tests" / "requirements.txt").read_text())


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with services `one` and `two`, each with a lock of one package."""
    for name in ("one", "two"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "requirements.txt").write_text(MARKUPSAFE)
    monkeypatch.setattr(environments, "SERVICES", tmp_path / "services")
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / ".venvs")
    return tmp_path


def lock(checkout: Path, name: str) -> Path:
    return checkout / "services" / name / "requirements.txt"


def built(checkout: Path, name: str) -> int:
    """When it was built, in nanoseconds."""
    return (checkout / ".venvs" / name / "bin" / "python").lstat().st_mtime_ns


def has(name: str, module: str) -> bool:
    done = subprocess.run(
        [environments.python(name), "-c", f"import {module}"], stderr=-3, check=False
    )
    return done.returncode == 0


def test_built_once_and_anew_when_the_lock_changes(
    checkout: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    environments.ensure(["one", "two"])
    assert capfd.readouterr().out == "installing the environments of one, two\n"
    assert has("one", "markupsafe")
    assert not has("one", "click")
    assert not has("one", "pytest")
    before = {name: built(checkout, name) for name in ("one", "two")}

    environments.ensure(["one", "two"])
    assert {name: built(checkout, name) for name in ("one", "two")} == before

    lock(checkout, "two").write_text(CLICK)
    environments.ensure(["one", "two"])
    assert built(checkout, "one") == before["one"]
    assert built(checkout, "two") > before["two"]
    assert has("two", "click")
    assert not has("two", "markupsafe")
    assert capfd.readouterr().out == "installing the environments of two\n"


def test_an_interpreter_of_another_environment_changes_nothing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`make bench` and `make test` share the services' environments, and not their own."""
    environments.ensure(["one"])
    before = built(checkout, "one")
    monkeypatch.setattr(environments.sys, "prefix", "/elsewhere")
    environments.ensure(["one"])
    assert built(checkout, "one") == before


@pytest.mark.parametrize(
    "wrong", [re.sub("sha256:.{8}", "sha256:00000000", MARKUPSAFE), MARKUPSAFE.split()[0]]
)
def test_a_lock_without_the_right_hashes(checkout: Path, wrong: str) -> None:
    lock(checkout, "one").write_text(wrong)
    with pytest.raises(InstallError, match=r"uv pip sync .*[Hh]ash") as caught:
        environments.ensure(["one"])
    assert "markupsafe" in str(caught.value)
    with pytest.raises(InstallError):  # nor is it taken for built the next time
        environments.ensure(["one"])
    lock(checkout, "one").write_text(MARKUPSAFE)
    environments.ensure(["one"])
    assert has("one", "markupsafe")


def test_no_lock(checkout: Path) -> None:
    lock(checkout, "one").unlink()
    with pytest.raises(InstallError, match="services/one: no lock, run `make lock`"):
        environments.ensure(["one"])


def test_the_pin_of_one_package() -> None:
    text = (
        "a==1 \\\n    --hash=sha256:1\nab==2 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\n# x\n"
    )
    assert bootstrap.pin_of("a", text) == "a==1 \\\n    --hash=sha256:1\n"
    assert bootstrap.pin_of("ab", text).count("--hash") == 2
    assert bootstrap.pin_of("ab", text.removesuffix("# x\n")) == bootstrap.pin_of("ab", text)
