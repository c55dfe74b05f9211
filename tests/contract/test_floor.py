"""The floor, a proxy without Python: it is asked what a measurement of it counts on, no more."""

from __future__ import annotations

import json

import pytest

from loadtests import catalog
from loadtests.runtime.ports import free_port
from tests.contract.client import Connection, ask, check, echo, error, identified, together
from tests.contract.conftest import Backend, Start
from tests.contract.running import Service
from tests.contract.test_shutdown import DRAIN_S, MANY, busy, has_been_read

pytestmark = pytest.mark.part(catalog.FLOOR)


def test_body_and_id_are_passed_through(service: Service) -> None:
    asks = [(f"/?delay=0.0{number:02}", identified(f"id-{number}")) for number in range(20)]
    for number, answer in enumerate(together(service.url, asks)):
        check(answer, 200, echo(f"0.0{number:02}", f"id-{number}"))


def test_connections_are_kept(service: Service, backend: Backend) -> None:
    """Connections of the client, and connections to the backend."""
    connection = Connection(service.url)
    for number in range(1100):  # nginx's default is 1000
        connection.send("/?delay=0", headers=identified(str(number)))
        answer = connection.receive()
        check(answer, 200, echo("0", str(number)))
        assert answer.header("Connection") in (None, "keep-alive")


@pytest.mark.parametrize("query", ["", "?delay=", "?delay=x", "?delay=61", "?delay=1&delay=1"])
def test_wrong_delays(service: Service, query: str) -> None:
    answer = ask(service.url, f"/{query}")
    assert (answer.status, list(answer.json())) == (400, ["error"])


def test_other_routes(service: Service) -> None:
    check(ask(service.url, "/health"), 200, b'{"status":"ok"}')
    check(ask(service.url, "/cpu?cycles=9"), 404, error("no such route"))
    check(ask(service.url, "/", "POST"), 405, error("method not allowed"))


def test_info(start: Start, name: str, backend: Backend) -> None:
    settings = {"WORKERS": "2", "CONCURRENCY": "30", "BACKEND_TIMEOUT_S": "1.5"}
    with start(name, BACKEND_URL=backend.url, **settings) as service:
        info = json.loads(ask(service.url, "/info").body)
    assert info.pop("versions").keys() == {"nginx"}
    assert info == {
        "service": name,
        "workers": 2,
        "concurrency": 30,
        "slots": 60,
        "client_pool": 30,
        "backend_url": backend.url,
        "backend_timeout_s": 1.5,
    }


def test_a_backend_that_is_broken_or_slow(start: Start, name: str, backend: Backend) -> None:
    with start(name, BACKEND_URL=f"http://127.0.0.1:{free_port()}") as service:
        answer = ask(service.url, "/?delay=0")
        assert (answer.status, list(answer.json())) == (502, ["error"])
    with start(name, BACKEND_URL=backend.url, BACKEND_TIMEOUT_S="0.2") as service:
        answer = ask(service.url, "/?delay=1")
        assert (answer.status, list(answer.json())) == (504, ["error"])


def test_sigterm(start: Start, name: str, backend: Backend) -> None:
    """Calls in flight are finished, and nothing is left."""
    backend.reset()
    with start(name, BACKEND_URL=backend.url) as service:
        with busy(service, "0.5") as answers:
            assert has_been_read(backend, MANY)
            service.terminate()
            answers()
        assert service.exit_status(DRAIN_S) == 0
        assert service.processes_left() == []
