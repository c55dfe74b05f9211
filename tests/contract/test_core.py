"""The tests of every service, whatever it shares with others: each route, and its end."""

from __future__ import annotations

import contextlib

import pytest

from loadtests import catalog
from tests.contract.chat import Member, meet
from tests.contract.client import (
    ask,
    check,
    composed,
    echo,
    error,
    fanned_out,
    identified,
    together,
)
from tests.contract.conftest import Backend, Service, Start
from tests.contract.test_file import check_file
from tests.contract.test_json import check_json
from tests.contract.test_settings import check_slots, checked_info
from tests.contract.test_shutdown import DRAIN_S, busy, ended_well, has_been_read

pytestmark = pytest.mark.part("core")

NO_ROUTE = error("no such route")
EXHIBITS = ("/file", "/chat", "/json")


def test_routes(service: Service) -> None:
    asked = identified("a")
    check(ask(service.url, "/health"), 200, b'{"status":"ok"}')
    check(ask(service.url, "/?delay=0.01", headers=asked), 200, echo("0.01", "a"))
    answer = ask(service.url, "/fanout?calls=3&delay=0.01", headers=asked)
    check(answer, 200, fanned_out("0.01", "a", 3))
    answer = ask(service.url, "/composite?delay=0.01&cycles=9", headers=asked)
    check(answer, 200, composed("0.01", "a", 9))
    check(ask(service.url, "/cpu?cycles=9"), 200, b'{"cycles":9}')
    check(ask(service.url, "/nope"), 404, NO_ROUTE)
    check(ask(service.url, "/health", "POST"), 405, error("method not allowed"))
    assert ask(service.url, "/?delay=x").status == 400


def test_routes_that_only_some_have(service: Service, about: catalog.Service) -> None:
    for route in EXHIBITS:
        if not about.has(route):
            check(ask(service.url, route), 404, NO_ROUTE)
            check(ask(service.url, route, "POST"), 404, NO_ROUTE)
            check(ask(service.url, f"{route}?delay=0&size=1"), 404, NO_ROUTE)


@pytest.mark.route("/file")
def test_file(service: Service) -> None:
    check_file(ask(service.url, "/file?size=70000"), 70_000)


@pytest.mark.route("/json")
def test_json(service: Service, backend: Backend) -> None:
    check_json(service, backend, 20_480)


@pytest.mark.route("/chat")
def test_chat(service: Service) -> None:
    with contextlib.ExitStack() as stack:
        members = [stack.enter_context(Member(service.url)) for _ in range(3)]
        meet(members)
        members[0].say("hello")
        assert [member.hears() for member in members[1:]] == [["hello"]] * 2


def test_info(service: Service, name: str, serial: bool) -> None:
    info = checked_info(ask(service.url, "/info"), name)
    assert info["workers"] == 1
    check_slots(info, serial)


def test_twenty_at_once(service: Service) -> None:
    asks = [(f"/?delay=0.0{number:02}", identified(f"at-once-{number}")) for number in range(20)]
    for number, answer in enumerate(together(service.url, asks)):
        check(answer, 200, echo(f"0.0{number:02}", f"at-once-{number}"))


@pytest.mark.part("end")
def test_sigterm(start: Start, name: str, backend: Backend) -> None:
    """Requests in flight are finished, and no process is left."""
    backend.reset()
    with start(name, BACKEND_URL=backend.url, WORKERS="1") as service:
        slots = service.info()["slots"]
        with busy(service, "0.2") as answers:
            assert has_been_read(backend, slots)
            service.terminate()
            answers()
        ended_well(service, DRAIN_S)
