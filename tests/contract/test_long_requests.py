"""Requests that take longer than server programs let one take by themselves."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from tests.contract import parts
from tests.contract.client import Answer, Connection, echo, identified
from tests.contract.conftest import Backend, Start

DELAY = "61"  # by themselves gunicorn takes no more than 30 s for one, Sanic 60
TIMEOUT_S = 150.0


@pytest.mark.xdist_group("long requests")
def test_as_long_as_it_takes(start: Start, backend: Backend) -> None:
    """All services at once, for all of them do nothing but wait."""
    settings = {"BACKEND_URL": backend.url, "BACKEND_TIMEOUT_S": "70"}
    with ExitStack() as stack:
        connections = {}
        for name in parts.asked("server"):
            service = stack.enter_context(start(name, **settings))
            connection = stack.enter_context(Connection(service.url, TIMEOUT_S))
            connections[name] = connection.send(f"/?delay={DELAY}", headers=identified(name))
        expected = {name: echo(DELAY, name) for name in connections}
        assert {name: body_of(connections[name]) for name in connections} == expected


def body_of(connection: Connection) -> bytes | str:
    try:
        answer: Answer = connection.receive()
    except Exception as error:
        return repr(error)
    return answer.body
