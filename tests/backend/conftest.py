"""Fixtures: a backend shared by a module's tests, or one of a test's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from loadtests.catalog import BACKEND
from loadtests.runtime import environments
from tests.backend.running import PYTHON, Backend, get, running


@pytest.fixture(scope="session", autouse=True)
def _environment_is_built() -> None:
    if "BACKEND_PYTHON" not in os.environ:
        environments.ensure([BACKEND])
    assert PYTHON.exists(), f"no {PYTHON}: is BACKEND_PYTHON right?"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """One backend for the tests of a module."""
    with running(tmp_path_factory.mktemp("backend") / "stderr") as backend:
        yield backend


@pytest.fixture
def backend(shared: Backend) -> Backend:
    """The shared backend with counters at zero and nothing in flight."""
    shared.until(lambda stats: stats["in_flight"] == 0)
    assert shared.ask(get("/reset", method="POST")).status == 200
    return shared


@pytest.fixture
def start(tmp_path: Path) -> Callable[..., AbstractContextManager[Backend]]:
    """`running`, logging to a folder of this test."""
    return lambda setup="": running(tmp_path / "stderr", setup)
