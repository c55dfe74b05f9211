"""The line that is given where a machine cannot be used. No Engine is needed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from loadtests import catalog, commands, runtime
from loadtests.cli import options
from loadtests.errors import UsageError
from loadtests.runtime import places
from loadtests.runtime.engine import Engine
from tests.compose.test_why_not import fake_docker

INFO = {
    "NCPU": 4, "MemTotal": 2**30, "Name": "far", "KernelVersion": "6.1", "OSType": "linux",
    "OperatingSystem": "Debian", "Architecture": "x86_64", "ServerVersion": "20.10.24",
}  # fmt: skip
VERSION = {"ApiVersion": "1.41", "Version": "20.10.24"}


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in places.VARIABLES:
        monkeypatch.delenv(name, raising=False)


def engine_elsewhere(
    folder: Path, endpoint: str, about: dict[str, object] = INFO, version: dict[str, str] = VERSION
) -> str:
    """A PATH with a `docker` whose Engine is at `endpoint`, and answers what it is asked here."""
    for name, body in (("info", about), ("version", version)):
        (folder / name).write_text(json.dumps(body))
    script = f"""
case "$1" in
    context) echo {endpoint} ;;
    system)
        read -r _ path _
        body=$(cat {folder}/$(basename "${{path%\\?}}"))
        printf 'HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n%s' "${{#body}}" "$body" ;;
esac
"""
    return fake_docker(folder, script)


def refused(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    """The line that is said where these variables are set."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UsageError) as error:
        runtime.choose("auto", [catalog.load("tornado")], {})
    said = str(error.value)
    assert "\n" not in said
    return said


def test_an_engine_is_asked_through_the_docker_command(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", engine_elsewhere(tmp_path, "ssh://user@127.0.0.1"))
    monkeypatch.setenv("SERVICE_HOST", "ssh://user@127.0.0.1")
    service, backend = places.read()
    assert (service.engine.cores, service.engine.here) == (4, False)
    assert (service.url, backend.url) == ("http://127.0.0.1:8080", "http://127.0.0.1:8081")
    assert backend.engine is service.engine  # beside it
    about = service.describe()
    assert about["host"] == "ssh://127.0.0.1"  # whose user is no figure
    assert about["system"] == "Debian, Linux 6.1 x86_64"


@pytest.mark.parametrize(
    ("host", "variables"),
    [
        ("tcp://a:2375", {"DOCKER_HOST": "tcp://a:2375"}),
        ("far", {"DOCKER_HOST": "", "DOCKER_CONTEXT": "far"}),
    ],
)
def test_a_host_is_docker_s_to_reach(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, variables: dict[str, str]
) -> None:
    monkeypatch.setenv("PATH", engine_elsewhere(tmp_path, "tcp://a:2375"))
    monkeypatch.setenv("DOCKER_HOST", "unix:///of/this/machine")
    environment = Engine(host).environment()
    assert {name: environment[name] for name in variables} == variables


def test_where_they_are_reached_may_be_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", engine_elsewhere(tmp_path, "ssh://behind-a-jump-host.invalid"))
    monkeypatch.setenv("SERVICE_HOST", "ssh://behind-a-jump-host.invalid")
    monkeypatch.setenv("SERVICE_ADDRESS", "192.0.2.7")
    monkeypatch.setenv("BACKEND_ADDRESS", "192.0.2.8:9000")
    service, backend = places.read()
    assert (service.url, backend.url) == ("http://192.0.2.7:8080", "http://192.0.2.8:9000")


def test_an_ssh_that_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    why = "ssh: connect to host 192.0.2.1 port 22: Connection refused"
    script = f'[ "$1" = context ] && echo ssh://192.0.2.1 && exit; echo "{why}" >&2; exit 255'
    monkeypatch.setenv("PATH", fake_docker(tmp_path, script))
    said = refused(monkeypatch, SERVICE_HOST="ssh://192.0.2.1")
    assert said.startswith("SERVICE_HOST=ssh://192.0.2.1: no Docker Engine answers at ")
    assert said.endswith(f"({why}); try `docker --host ssh://192.0.2.1 version`")


@pytest.mark.parametrize(
    ("about", "version", "told"),
    [
        ({}, {"ApiVersion": "1.40", "Version": "19.03.1"}, "Docker 19.03.1 there is too old"),
        ({"OSType": "windows"}, {}, "its containers are not Linux's"),
    ],
)
def test_an_engine_that_cannot_be_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    about: dict[str, object],
    version: dict[str, str],
    told: str,
) -> None:
    path = engine_elsewhere(tmp_path, "tcp://192.0.2.1:2375", INFO | about, VERSION | version)
    monkeypatch.setenv("PATH", path)
    assert told in refused(monkeypatch, SERVICE_HOST="tcp://192.0.2.1:2375")


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", engine_elsewhere(tmp_path, "ssh://far.invalid"))
    said = refused(monkeypatch, SERVICE_HOST="ssh://far.invalid")
    assert "no machine is known here as 'far.invalid'" in said
    assert "SERVICE_ADDRESS=10.0.0.1" in said


def test_what_does_not_go_together(monkeypatch: pytest.MonkeyPatch) -> None:
    said = refused(monkeypatch, BACKEND_HOST="ssh://far.invalid")
    assert said == "BACKEND_HOST is set and SERVICE_HOST, the service's machine, is not"
    monkeypatch.setenv("SERVICE_HOST", "ssh://far.invalid")
    for asked in (
        lambda: runtime.choose("local", [catalog.load("tornado")], {}),
        lambda: commands.ui("tornado", "auto", "8089", {}),
    ):
        with pytest.raises(UsageError, match="leave it out"):
            asked()
    assert "SERVICE_HOST=ssh://far.invalid" in options.told("compose")


def test_no_docker(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "needs the docker command" in refused(monkeypatch, SERVICE_HOST="ssh://far.invalid")
