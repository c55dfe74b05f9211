"""Fixtures: a folder of small services that do, or fail, what a test is about."""

from __future__ import annotations

import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from loadtests import catalog
from loadtests.bench import instruments, perfect, rules, surroundings
from loadtests.catalog import BACKEND, Service
from loadtests.runtime import environments, local, process
from loadtests.runtime.local import LocalRuntime

FAKE = Path(__file__).with_name("fake_service.py")
TOML = (
    "".join(
        f'{key} = "fake"\n' for key in ("title", "framework", "server", "client", "model", "waits")
    )
    + 'kind = "stock"\noffers = ["/chat", "/file", "/json"]\ntls = true\n'
)
SETTINGS = {"WORKERS": "1", "CONCURRENCY": "100", "BACKEND_TIMEOUT_S": "10"}

Stage = Callable[..., list[Service]]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """`stage("good", late="exits")` makes services of this Python in front of the real backend.

    They are processes of `script`, fake_service.py or another.
    """
    real = environments.python(BACKEND)
    environments.ensure([BACKEND])
    services = tmp_path / "services"
    services.mkdir()
    (services / BACKEND).symlink_to(catalog.SERVICES / BACKEND)
    for shared in ("contract.py", "folders.py", "start.py"):
        shutil.copy(catalog.SERVICES / shared, services)
    for module in (catalog, process, environments):
        monkeypatch.setattr(module, "SERVICES", services)
    monkeypatch.setattr(environments, "ensure", lambda names: None)
    monkeypatch.setattr(
        environments,
        "python",
        lambda name, root=None: real if name == BACKEND else Path(sys.executable),
    )
    # Other processes on the core must not make the points of a test invalid.
    monkeypatch.setattr(rules, "MAX_GENERATOR_CPU", 9.0)
    monkeypatch.setattr(surroundings, "RULES", ())
    # Their windows are short: of half a second a pause of the machine may be the half, and one
    # before it brings a round of answers in.
    monkeypatch.setattr(rules, "MIN_REQUESTS", 5)
    monkeypatch.setattr(rules, "MAX_EFFICIENCY", 1.5)
    monkeypatch.setattr(rules, "LITTLE", 0.5)
    # They take seconds; the tests that are about them undo this.
    monkeypatch.setattr(instruments, "measure", lambda runtime: None)
    monkeypatch.setattr(perfect, "measure", lambda part, seed, instruments: {})

    def make(*good: str, script: Path = FAKE, **faults: str) -> list[Service]:
        for name, fault in {**dict.fromkeys(good, "none"), **faults}.items():
            folder = services / name
            folder.mkdir()
            (folder / "app.py").touch()
            (folder / "service.toml").write_text(TOML)
            (folder / "serve").write_text(f'exec python "{script}" {name} {fault}\n')
        return [catalog.load(name) for name in [*good, *faults]]

    return make


@pytest.fixture
def runtime(stage: Stage) -> Iterator[LocalRuntime]:
    """The local runtime over what is on the stage; the caller enters it."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield LocalRuntime("a test asks for it", [], SETTINGS)
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short timeouts, so that no test waits for long."""
    monkeypatch.setattr(process.ServiceProcess.wait_ready, "__defaults__", (3.0,))
    monkeypatch.setattr(local, "PORT_FREE_S", 0.3)
