"""`waits.toml` with an image: a container of any language, hardened and limited as the others."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loadtests import record
from loadtests.bench import instruments, perfect, rounds
from loadtests.catalog import ROOT
from loadtests.errors import UsageError
from loadtests.own import bench
from loadtests.runtime.engine import Engine, docker
from tests.compose.conftest import BUILD_S, SETTINGS

TAG = "waiting-services-test-own"
FOLDER = Path(__file__).parent / "own"
BASE = os.environ.get("PYTHON_IMAGE", "python:3.14-slim-trixie")

PERL = f"""
image = "{TAG}"
port = 8000
environment = {{UPSTREAM = "{{upstream}}", PORT = "{{port}}", SLOTS = "50"}}
path = "/orders/1"
slots = 50
"""
NGINX = """
image = "waiting-services-nginx"
environment = {BACKEND_URL = "{upstream}", PORT = "{port}", HOST = "0.0.0.0"}
path = "/?delay=0.1"
"""
BUILDS = {
    "perl": ("build", "--tag", TAG, "--build-arg", f"PYTHON_IMAGE={BASE}", str(FOLDER)),
    "nginx": ("compose", "--file", str(ROOT / "compose.yaml"), "build", "nginx"),
}


@pytest.mark.parametrize(("language", "file"), [("perl", PERL), ("nginx", NGINX)])
def test_a_container_takes_part_by_its_image(
    engine: Engine, language: str, file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(instruments, "measure", lambda runtime: None)
    monkeypatch.setattr(perfect, "measure", lambda part, seed, instruments: {})
    status, said = docker(*BUILDS[language], timeout_s=BUILD_S)
    assert not status, said
    (tmp_path / "waits.toml").write_text(file, encoding="utf-8")
    parts = bench.parts(tmp_path / "waits.toml", "none", "smoke", "auto", SETTINGS)
    rounds.run("smoke", parts, tmp_path / "results")
    (folder,) = (tmp_path / "results").glob("*-smoke")
    run = record.load(folder / "run.json")
    assert run.runtime == "compose"
    assert [point.users for point in run.points] == [10, 50]
    for point in run.points:
        assert point.requests > 20 and not point.failures, point
        assert point.cpu_ms_per_request and point.pss_bytes
        assert not any("backend received" in why for why in point.invalid_because), point
    assert engine.found("containers", parts[0].runtime.project) == []


def test_an_image_that_is_not_there(engine: Engine, tmp_path: Path) -> None:
    (tmp_path / "waits.toml").write_text(PERL.replace(TAG, "no-such-image"), encoding="utf-8")
    with pytest.raises(UsageError, match="there is no image no-such-image: build it"):
        bench.parts(tmp_path / "waits.toml", "none", "smoke", "auto", SETTINGS)
