"""Environments follow the lock: built once, and anew when their part of it changes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from loadtests import bootstrap
from loadtests.catalog import ROOT
from loadtests.runtime import environments
from loadtests.runtime.environments import InstallError
from services import folders

MARKUPSAFE = bootstrap.pin_of("markupsafe", (ROOT / "tests" / "requirements.txt").read_text())
CLICK = bootstrap.pin_of("click", (ROOT / "tests" / "requirements.txt").read_text())


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with services `one` and `two`, which need one package."""
    for name in ("one", "two"):
        (tmp_path / "services" / name).mkdir(parents=True)
        (tmp_path / "services" / name / "service.toml").touch()
        needs(tmp_path, name, "markupsafe")
    lock(tmp_path).write_text(CLICK + MARKUPSAFE)
    monkeypatch.setattr(environments, "SERVICES", tmp_path / "services")
    monkeypatch.setattr(environments, "ENVIRONMENTS", tmp_path / ".venvs")
    return tmp_path


def lock(checkout: Path) -> Path:
    return checkout / "services" / "requirements.txt"


def needs(checkout: Path, name: str, package: str) -> None:
    (checkout / "services" / name / "requirements.in").write_text(f"{package}\n")


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

    needs(checkout, "two", "Click")
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
    lock(checkout).write_text(wrong + "\n")
    with pytest.raises(InstallError, match=r"uv pip sync .*[Hh]ash") as caught:
        environments.ensure(["one"])
    assert "markupsafe" in str(caught.value)
    with pytest.raises(InstallError):  # nor is it taken for built the next time
        environments.ensure(["one"])
    lock(checkout).write_text(MARKUPSAFE)
    environments.ensure(["one"])
    assert has("one", "markupsafe")


def test_a_package_that_is_not_in_the_lock(checkout: Path) -> None:
    needs(checkout, "one", "sanic")
    with pytest.raises(InstallError, match="services/one: sanic not in the lock, run `make lock`"):
        environments.ensure(["one"])
    environments.ensure(["two"])


def test_no_requirements(checkout: Path) -> None:
    (checkout / "services" / "one" / "requirements.in").unlink()
    with pytest.raises(InstallError, match=r"services/one: requirements\.in is missing"):
        environments.ensure(["one"])


def test_a_part_of_the_lock_has_all_dependencies(checkout: Path) -> None:
    """The dependencies are in the lock's comments; a package may be there twice."""
    old = "click==8 ; python_version < '3.12' \\\n    --hash=sha256:1\n    # via flask\n"
    new = "click==9 ; python_version >= '3.12' \\\n    --hash=sha256:2\n    # via flask\n"
    flask = "flask==3 \\\n    --hash=sha256:3\n    # via -r -\n"
    jinja = "jinja2==3 \\\n    --hash=sha256:4\n    # via\n    #   flask\n    #   sanic\n"
    markupsafe = "markupsafe==3 \\\n    --hash=sha256:5\n    # via jinja2\n"
    sanic = "sanic==25 \\\n    --hash=sha256:6\n    # via -r -\n"
    lock(checkout).write_text(old + new + flask + jinja + markupsafe + sanic)
    needs(checkout, "one", "Flask[async]>=3  # for its name")
    needs(checkout, "two", "sanic")

    def packages(name: str) -> list[str]:
        text = folders.pins(name, checkout / "services")
        assert "via" not in text
        return re.findall(r"(?m)^\S+", text)

    assert packages("one") == ["click==8", "click==9", "flask==3", "jinja2==3", "markupsafe==3"]
    assert packages("two") == ["jinja2==3", "markupsafe==3", "sanic==25"]


def test_the_pin_of_one_package() -> None:
    text = (
        "a==1 \\\n    --hash=sha256:1\nab==2 \\\n    --hash=sha256:2 \\\n    --hash=sha256:3\n# x\n"
    )
    assert bootstrap.pin_of("a", text) == "a==1 \\\n    --hash=sha256:1\n"
    assert bootstrap.pin_of("ab", text).count("--hash") == 2
    assert bootstrap.pin_of("ab", text.removesuffix("# x\n")) == bootstrap.pin_of("ab", text)


def test_without_venv_the_harness_is_installed_by_uv(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a Debian without python3-venv; and where there is no uv a line says what to do."""
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(bootstrap, "ROOT", tmp_path)
    monkeypatch.setattr(bootstrap, "find_spec", lambda name: None)
    monkeypatch.setattr(bootstrap, "run", lambda environment, *command: asked.append(command[:3]))
    (tmp_path / "lock").write_text(CLICK, encoding="utf-8")
    (tmp_path / "venv").mkdir()
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: f"/there/{name}")
    bootstrap.ensure(tmp_path / "venv", tmp_path / "lock", {})
    assert asked == [("/there/uv", "venv", "--quiet"), ("/there/uv", "--quiet", "pip")]
    (tmp_path / "venv" / "built-from").unlink()
    monkeypatch.setattr(bootstrap.shutil, "which", lambda name: None)
    with pytest.raises(SystemExit, match=r"install python3-venv .*, or uv"):
        bootstrap.ensure(tmp_path / "venv", tmp_path / "lock", {})
