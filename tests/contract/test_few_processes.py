"""Fewer processes and threads than CONCURRENCY: served all the same, or refused at the start."""

from __future__ import annotations

import subprocess
import sys

import pytest

from loadtests.catalog import SERVICES
from services import folders
from tests.contract.client import check, echo, identified, together, until
from tests.contract.conftest import Backend, Start
from tests.contract.running import STARTS_S
from tests.contract.test_environment import is_up

MANY = 300


@pytest.mark.part("server")
def test_few_processes(start: Start, name: str, backend: Backend, serial: bool) -> None:
    """A service with few processes runs in a container, whose limit also binds root."""
    with start(name, ready=False, few=True, BACKEND_URL=backend.url) as service:
        assert until(lambda: is_up(service) or not service.is_running(), STARTS_S)
        if not service.is_running():
            assert len(service.log().splitlines()) == 1, service.log()
            return
        delay = "0.01" if serial else "0.3"
        asks = [(f"/?delay={delay}", identified(f"few-{number}")) for number in range(MANY)]
        for number, answer in enumerate(together(service.url, asks)):
            check(answer, 200, echo(delay, f"few-{number}"))


@pytest.mark.parametrize(
    ("free", "workers", "fits"), [(120, 1, False), (1100, 1, True), (1100, 2, False)]
)
def test_room_for_threads(
    free: int, workers: int, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check that servers with a thread for each request make before they start."""
    monkeypatch.setenv("WORKERS", str(workers))
    monkeypatch.delenv("CONCURRENCY", raising=False)
    name = folders.names(SERVICES)[0]
    code = f"import start; start._free = lambda: {free}; start.check_threads()"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=folders.environment(name),
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode == 0) is fits
    assert done.stderr.count("\n") == (0 if fits else 1)
    assert fits or "CONCURRENCY 1000" in done.stderr
