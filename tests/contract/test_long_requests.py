"""Requests that take longer than server programs let one take by themselves."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from loadtests import catalog
from tests.contract import parts
from tests.contract.client import Answer, Connection, composed, fanned_out, identified
from tests.contract.conftest import BLOCKED, Backend, Start

# By themselves gunicorn takes no more than 30 s for one, Sanic 60: three delays on the way of a
# page, two calls where one waits at a time.
PAGE, CALLS = "21", "31"
TIMEOUT_S = 150.0


@pytest.mark.part("server")
@pytest.mark.xdist_group("long requests")
def test_as_long_as_it_takes(start: Start, backend: Backend) -> None:
    """All services at once, for all of them do nothing but wait."""
    settings = {"BACKEND_URL": backend.url, "BACKEND_TIMEOUT_S": "70"}
    with ExitStack() as stack:
        connections, expected = {}, {}
        for name in parts.asked("server"):
            service = stack.enter_context(start(name, **settings))
            connection = stack.enter_context(Connection(service.url, TIMEOUT_S))
            target = f"/composite?delay={PAGE}&cycles=0"
            expected[name] = composed(PAGE, name, cycles=0)
            if catalog.load(name).model == BLOCKED:
                target = f"/fanout?calls=2&delay={CALLS}"
                expected[name] = fanned_out(CALLS, name, calls=2)
            connections[name] = connection.send(target, headers=identified(name))
        assert {name: body_of(connections[name]) for name in connections} == expected


def body_of(connection: Connection) -> bytes | str:
    try:
        answer: Answer = connection.receive()
    except Exception as error:
        return repr(error)
    return answer.body
