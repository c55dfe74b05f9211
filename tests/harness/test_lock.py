"""`make lock`: all anew, or only what one service adds. The packages are made up; no network."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest
from conftest import TOML

from loadtests import catalog, commands
from loadtests.runtime import compose_file

COMPOSE = f"name: x\n{compose_file.FIRST}\nold\n{compose_file.LAST}\nservices: {{}}\n"


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the services `one` and `two`, and packages that uv finds in a folder."""
    for name in ("backend", "one", "two"):
        (tmp_path / "services" / name).mkdir(parents=True)
        needs(tmp_path, name, "a")
        if name != "backend":
            (tmp_path / "services" / name / "service.toml").write_text(TOML)
    for name in ("loadtests", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "requirements.in").write_text("a\n")
    (tmp_path / "compose.yaml").write_text(COMPOSE)
    (tmp_path / "deploy" / "base").mkdir(parents=True)
    publish(tmp_path, "a", "1.0", needs="lower")
    publish(tmp_path, "lower", "1.0")
    publish(tmp_path, "b", "1.0", needs="lower")
    for module in (catalog, commands):
        monkeypatch.setattr(module, "SERVICES", tmp_path / "services")
        monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "packages"))
    monkeypatch.setenv("UV_NO_INDEX", "1")
    return tmp_path


def publish(checkout: Path, name: str, version: str, needs: str = "") -> None:
    """Put a wheel of a package into the folder in which uv looks."""
    folder = checkout / "packages"
    folder.mkdir(exist_ok=True)
    about = f"{name}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    metadata += f"Requires-Dist: {needs}\n" if needs else ""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr(f"{about}/METADATA", metadata)
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def needs(checkout: Path, name: str, *packages: str) -> None:
    (checkout / "services" / name / "requirements.in").write_text("\n".join(packages))


def lock(checkout: Path) -> str:
    return (checkout / "services" / "requirements.txt").read_text()


def pins(checkout: Path) -> list[str]:
    return re.findall(r"(?m)^[a-z]+==\S+", lock(checkout))


def test_all_anew(checkout: Path) -> None:
    assert commands.lock("") == 0
    assert pins(checkout) == ["a==1.0", "lower==1.0"]
    assert len(re.findall("--hash=sha256:", lock(checkout))) == 2
    assert "# via a" in lock(checkout)
    assert "packages" not in lock(checkout)
    for folder in ("loadtests", "tests"):
        assert (checkout / folder / "requirements.txt").read_text().startswith("a==1.0")
    publish(checkout, "lower", "1.1")
    commands.lock("")
    assert pins(checkout) == ["a==1.0", "lower==1.1"]


def test_one_service_adds_its_packages(checkout: Path) -> None:
    commands.lock("")
    publish(checkout, "a", "1.1")
    publish(checkout, "lower", "1.1")
    needs(checkout, "one", "b")
    needs(checkout, "two", "c")  # somebody else is at work on it
    before = commands.pinned(lock(checkout))
    commands.lock("one")
    assert pins(checkout) == ["a==1.0", "b==1.0", "lower==1.0"]
    assert before.items() < commands.pinned(lock(checkout)).items()
    once = lock(checkout)
    commands.lock("one")
    assert lock(checkout) == once


def test_a_service_that_would_change_a_pin_is_refused(checkout: Path) -> None:
    commands.lock("")
    publish(checkout, "lower", "1.1")
    publish(checkout, "b", "1.1", needs="lower>=1.1")
    needs(checkout, "one", "b>1.0")
    before = lock(checkout)
    with pytest.raises(commands.UsageError, match=r"what one needs .* locked of lower: run `make"):
        commands.lock("one")
    assert lock(checkout) == before


def test_compose_yaml_and_deploy_name_the_services(checkout: Path) -> None:
    commands.lock("")
    text = (checkout / "compose.yaml").read_text()
    assert text.startswith(f"name: x\n{compose_file.FIRST}\n")
    assert text.endswith(f"{compose_file.LAST}\nservices: {{}}\n")
    assert "${TARGETS:-one two}" in text
    assert re.findall(r"(?m)^  (\w+): {<<: \*service", text) == ["one", "two"]
    manifests = (checkout / "deploy" / "base" / "services.yaml").read_text()
    assert re.findall(r"waiting-services:(\w+)", manifests) == ["one", "two"]


def test_an_unknown_service(checkout: Path) -> None:
    with pytest.raises(catalog.UnknownService, match="no service 'three'; there are: one, two"):
        commands.lock("three")
