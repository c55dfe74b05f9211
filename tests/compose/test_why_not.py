"""The reason that is given where Compose cannot be used. No Engine is needed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from loadtests.runtime import compose


def test_no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert compose.why_not() == "docker is not installed"


def fake_docker(folder: Path, script: str) -> str:
    """A PATH with a `docker` in front that runs `script`."""
    docker = folder / "docker"
    docker.write_text(f"#!/bin/sh\n{script}\n")
    docker.chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


def test_no_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    socket = tmp_path / "none.sock"
    monkeypatch.setenv("PATH", fake_docker(tmp_path, f"echo unix://{socket}"))
    assert str(compose.why_not()).startswith(f"no Docker Engine answers at {socket}")


def test_an_engine_elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", fake_docker(tmp_path, "echo tcp://192.0.2.1:2375"))
    assert compose.why_not() == "the Docker Engine is not on this machine (tcp://192.0.2.1:2375)"


@pytest.mark.skipif(shutil.which("docker") is None, reason="docker is not installed")
def test_a_real_docker_without_its_engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'none.sock'}")
    assert "no Docker Engine answers" in str(compose.why_not())
