"""A worker that computes for longer than its supervisor would wait for a sign of life."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.contract import parts
from tests.contract.client import Connection, gather
from tests.contract.conftest import Backend, Start

CONNECTIONS = 450
CYCLES = 10_000_000  # some 100 ms: all of them together take about a minute of a core
TIMEOUT_S = 600.0


@pytest.mark.xdist_group("long requests")
def test_nobody_is_killed_for_being_busy(
    request: pytest.FixtureRequest, start: Start, backend: Backend
) -> None:
    """One service for each server program with such a supervisor, one after the other."""
    if not request.config.getoption("all_parts"):
        pytest.skip("it takes a minute of CPU for each: only with --all-parts")
    chosen = request.config.getoption("service")
    supervised = {one.server: one.name for one in parts.in_order() if "gunicorn" in one.server}
    for name in supervised.values():
        if chosen and name not in chosen:
            continue
        with start(name, BACKEND_URL=backend.url) as service, ExitStack() as stack:
            connections = [
                stack.enter_context(Connection(service.url, TIMEOUT_S)) for _ in range(CONNECTIONS)
            ]
            for connection in connections:
                connection.send(f"/cpu?cycles={CYCLES}")
            statuses = [answer.status for answer in gather(connections)]
            assert statuses == [200] * CONNECTIONS
            assert service.log() == ""
