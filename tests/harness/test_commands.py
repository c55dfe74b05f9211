"""The commands: what cannot be run is said in one line, what runs ends cleanly."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from commandline import SETTINGS, Command, until

from loadtests.advise.sources import sources
from loadtests.bench import cores
from loadtests.catalog import FLOOR, ROOT, load, names
from loadtests.cli.main import run as waits
from loadtests.cli.options import service_settings
from loadtests.report.results import stored
from loadtests.runtime.ports import free_port, is_free
from loadtests.runtime.process import fetch

PYTHON = f"{sys.base_prefix}/bin/python{sys.version_info.major}.{sys.version_info.minor}"
needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="there is no make")
LOCAL = ("--runtime", "local")

REFUSED = {
    "profile": (("bench", "--profile", "fast"), {}, "no profile 'fast'; there are: smoke"),
    "service": (("bench", "--services", "tornado x"), {}, "no service 'x'; there are:"),
    "the backend": (("bench", "--services", "backend"), {}, "no service 'backend'"),
    "runtime": (("bench", "--runtime", "cloud"), {}, "no runtime 'cloud'; there are: auto"),
    "workers": (("bench", *LOCAL), {"WORKERS": "abc"}, "WORKERS must be a whole number from 1"),
    "no workers": (("bench", *LOCAL), {"WORKERS": "0"}, "WORKERS must be a whole number from 1"),
    "concurrency": (("bench", *LOCAL), {"CONCURRENCY": "-5"}, "CONCURRENCY must be"),
    "timeout": (
        ("serve", "tornado"),
        {"BACKEND_TIMEOUT_S": "nan"},
        "BACKEND_TIMEOUT_S must",
    ),
    "load processes": (
        ("bench", "--load-processes", "0"),
        {},
        "LOAD_PROCESSES must be a whole number from 1",
    ),
    "workers elsewhere and here": (
        ("bench", "--load-processes", "2", "--load-workers", "2"),
        {},
        "LOAD_PROCESSES are here, LOAD_WORKERS on other machines: choose one",
    ),
    "workers of containers": (
        ("bench", "--runtime", "compose", "--load-workers", "2"),
        {},
        "leave RUNTIME=compose out",
    ),
    "workers of another kind": (
        ("bench", "--profile", "chat", "--load-workers", "2"),
        {},
        "LOAD_WORKERS=2 is not for chat: several processes make the load of profiles",
    ),
    "load for nobody": (("load",), {}, "where does make bench run? make load MASTER="),
    "load of nowhere": (("load", "no such:x"), {}, "no machine is known here as that"),
    "load of another kind": (
        ("bench", "--profile", "chat", "--load-processes", "2"),
        {},
        "LOAD_PROCESSES=2 is not for chat: several processes make the load of profiles",
    ),
    "TLS of another kind": (
        ("bench", "--profile", "chat", "--tls"),
        {},
        "TLS=1 is not for chat: it is for profiles of the kind delay",
    ),
    "TLS and interpreters": (
        ("bench", "--tls", "--pythons", "3.13"),
        {},
        "TLS=1 and PYTHONS each measure a service several times: leave one out",
    ),
    "TLS elsewhere": (
        ("bench", "--tls"),
        {"SERVICE_HOST": "ssh://far"},
        "TLS=1 is for services on this machine: leave SERVICE_HOST out",
    ),
    "TLS from elsewhere": (
        ("bench", "--tls", "--load-workers", "2"),
        {},
        "TLS=1 is for a load of this machine: leave LOAD_WORKERS out",
    ),
    "TLS of another's": (
        ("bench", "--tls", "--file", "waits.toml"),
        {},
        "--tls is for the services of this project, not for --file",
    ),
    "no service": (("serve",), {}, "which service? one of: "),
    "serve what": (("serve", "x"), {}, "no service 'x'; there are:"),
    "port": (("serve", "tornado", "--port", "http"), {}, "PORT must be a port from 1"),
    "no port": (("serve", "tornado", "--port", "65536"), {}, "PORT must be a port"),
    "ui": (("ui", "--services", "x"), {}, "no service 'x'; there are:"),
    "ui where": (("ui", "--runtime", "cloud"), {}, "no runtime 'cloud'"),
}


def refused(command: Command, reason: str) -> None:
    """Assert that a command ends with status 2 and one line, and leaves nothing running."""
    with command:
        status, said, complaints = command.end()
        assert (status, said) == (2, "")
        assert reason in complaints
        assert complaints.count("\n") == 1
        assert command.processes() == []


@pytest.mark.parametrize(("arguments", "variables", "reason"), REFUSED.values(), ids=REFUSED)
def test_refused(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    variables: dict[str, str],
    reason: str,
) -> None:
    """The command runs in this process, where any process it starts is seen."""
    started = []
    monkeypatch.setattr(
        subprocess.Popen, "__init__", lambda self, command, **_: started.append(command)
    )
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    results = tmp_path / "results"
    where = ("--results", str(results)) if arguments[0] == "bench" else ()
    assert waits([*arguments, *where]) == 2
    said = capsys.readouterr()
    assert reason in said.err
    assert (said.out, said.err.count("\n"), started) == ("", 1, [])
    assert not results.exists()


def test_refused_where_the_port_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        command = Command("serve", "tornado", "--port", port)
        refused(command, f"PORT {port} on 127.0.0.1 is taken")


def test_refused_where_results_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder, why in (
        (tmp_path / "file", "File exists"),
        (tmp_path / "file" / "x", "Not a directory"),
    ):
        refused(Command("bench", *LOCAL, "--results", str(folder)), f"--results {folder}: {why}")


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel does not tell of it")
def test_services_end_when_the_harness_is_killed() -> None:
    """Also those of several processes, and the backend."""
    port = str(free_port())
    with Command("serve", "flask-threads", "--port", port, WORKERS="2") as command:
        command.until_it_says("Ctrl-C")
        # The harness, the backend, a master and two workers.
        assert until(lambda: len(command.processes()) >= 5)
        command.process.kill()
        command.process.wait()
        assert until(lambda: command.processes() == [])


def test_the_first_lines_name_the_runtime_and_what_the_environment_changes(tmp_path: Path) -> None:
    """They are said before anything is started; here, before a Ctrl-C."""
    with Command("bench", *LOCAL, "--results", str(tmp_path), WORKERS="2") as command:
        first, second = command.until_it_says(""), command.until_it_says("")
        command.interrupt()
        assert command.end()[0] == 130
        assert until(lambda: command.processes() == [])
    assert first == "runtime: local (as was asked for)\n"
    assert second == "from the environment: WORKERS=2\n"


def test_auto_says_why(tmp_path: Path) -> None:
    """Without a Docker Engine, as here, the bench measures local processes."""
    away = {"DOCKER_HOST": "unix:///nowhere/docker.sock", "DOCKER_CONTEXT": ""}
    with Command("bench", "--results", str(tmp_path), **away) as command:
        first = command.until_it_says("")
        command.interrupt()
        command.end()
    assert re.fullmatch(r"runtime: local \(.*[Dd]ocker.*\)\n", first)


def test_serve() -> None:
    port = free_port()
    with Command("serve", "tornado", "--port", str(port), CONCURRENCY="7") as command:
        command.until_it_says("Ctrl-C")
        assert command.said.startswith(f"tornado: http://127.0.0.1:{port}/?delay=0.1\n")
        if pair := cores.split():
            (own,), (other,) = pair
            assert f"core {own} is the service's" in command.said
            assert f"taskset -c {other} " in command.said
        status, body = fetch(f"http://127.0.0.1:{port}/?delay=0.01", headers={"X-Request-ID": "a"})
        assert (status, body) == (200, b'{"delay":0.01,"id":"a"}')
        assert json.loads(fetch(f"http://127.0.0.1:{port}/info")[1])["concurrency"] == 7
        ports = command.ports()
        assert len(ports) == 2  # the service's and the backend's
        command.process.terminate()  # the same as Ctrl-C
        status, said, complaints = command.end()
        assert (status, complaints) == (0, "")
        assert said.endswith("stopped\n")
        assert until(lambda: command.processes() == [])
    assert all(map(is_free, ports))


@pytest.mark.parametrize("setting", ["WORKERS", "CONCURRENCY", "BACKEND_TIMEOUT_S"])
@pytest.mark.parametrize("value", ["", None, "3"])
def test_a_setting_that_nobody_gives_is_left_to_the_service(
    monkeypatch: pytest.MonkeyPatch, setting: str, value: str | None
) -> None:
    """An empty setting is not inherited."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    if value is not None:
        monkeypatch.setenv(setting, value)
    assert service_settings() == ({setting: value} if value else {})
    assert os.environ.get(setting) == (value or None)


def test_processes_find_what_they_import_compiled() -> None:
    """A caller that lets Python write no bytecode would have each process compile all anew."""
    asked = (PYTHON, "loadtests/bootstrap.py", "-c", "import sys; print(sys.dont_write_bytecode)")
    with Command(command=asked, PYTHONDONTWRITEBYTECODE="1") as command:
        status, said, _ = command.end()
    assert (status, said) == (0, "False\n")


def test_files_are_those_of_the_callers_folder(tmp_path: Path) -> None:
    """Whose modules are not imported, though it may have some of the same names."""
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "__init__.py").write_text("1/0", encoding="utf-8")
    (tmp_path / "waits.toml").write_text("mine = 1", encoding="utf-8")
    asked = (PYTHON, str(ROOT / "loadtests" / "bootstrap.py"), "-m", "loadtests", "bench")
    with Command("--file", "waits.toml", command=asked, cwd=tmp_path) as command:
        status, _, complaint = command.end()
    assert status == 2 and complaint.startswith("waits.toml: unknown key 'mine'"), complaint


@needs_make
def test_make_prints_every_verb() -> None:
    with Command(command=("make",)) as command:
        status, said, complaints = command.end()
    assert (status, complaints) == (0, "")
    verbs = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert verbs is not None
    assert {"bench", "test", "ui", "serve", "report", "lint", "lock"} < set(verbs[1].split())
    for verb in verbs[1].split():
        assert len(re.findall(rf"^{verb} +\w.*$", said, re.M)) == 1, verb


@needs_make
def test_make_serve() -> None:
    port = free_port()
    asked = ("make", "serve", "SERVICE=tornado", f"PORT={port}", f"PYTHON={PYTHON}")
    with Command(command=asked) as command:
        command.until_it_says("Ctrl-C")
        assert fetch(f"http://127.0.0.1:{port}/?delay=0")[0] == 200
        started = psutil.Process(command.process.pid).children(recursive=True)
        assert len(started) >= 3  # the harness, the backend, the service
        command.interrupt()
        said = command.end()[1]
        assert "stopped\n" in said
        assert until(lambda: command.processes() == [])
    assert is_free(port)


@needs_make
def test_make_advise() -> None:
    """`make advise` on the results in the repository."""
    asked = ("make", "advise", "DELAY=200ms", "RATE=300", "MEMORY=512M", "ALL=1", "FORCE=1")
    asked = (*asked, f"PYTHON={PYTHON}")
    with Command(command=asked) as command:
        status, said, _ = command.end()
    assert status == 0
    assert "300 requests/s, each waiting 200 ms for the backend, on 1 core and 512" in said
    found = sources(stored.read(ROOT / "results"))
    assert found is not None
    measured = {name for _, part in found.found for name in part.run.services} & set(names())
    measured = {name for name in measured if load(name).kind != FLOOR}  # nobody can choose it
    assert all(re.search(rf"^{name} ", said, re.M) for name in measured)


@needs_make
@pytest.mark.parametrize("asked", ["serve SERVICE=x", "bench PROFILE=x", "bench SERVICES=x"])
def test_make_refuses(asked: str) -> None:
    with Command(command=("make", *asked.split(), f"PYTHON={PYTHON}")) as command:
        status, said, complaints = command.end()
    assert status == 2
    assert "Traceback" not in complaints
    installing = ("installing the harness", "WARNING: ")  # those are the installer's
    lines = complaints.splitlines()
    reason, _make = [line for line in lines if not line.startswith(installing)]
    assert "'x'; there are: " in reason
    assert said == ""
    assert "x" not in names()
