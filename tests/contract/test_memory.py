"""Clients that give up while the backend is slow leave no memory behind."""

from __future__ import annotations

import time
from contextlib import ExitStack

import pytest

from loadtests import catalog
from tests.contract.client import Connection, ask, check, echo
from tests.contract.conftest import Service

pytestmark = pytest.mark.part("client")

AT_ONCE = 200
AT_ONCE_LIBRARY = 40  # some of them answer no more than a hundred requests a second
WARM_UP = 2  # waves in which pools are filled
WAVES = 8
KEPT_BYTES = 1024 * 1024
KEPT_BYTES_EACH = 1024  # a request of a big framework is ten times that
ROUNDS = 6  # until the garbage collector has come, where there is something left for it
STRICT_ROUNDS = 2  # on a busy machine the pools are not full after the waves that warm up


def test_clients_that_give_up_leave_nothing(
    service: Service, about: catalog.Service, strict: bool
) -> None:
    """A client of our own leaves nothing to the garbage collector, a library may."""
    if about.waits in ("a thread", "a process", "the process"):
        pytest.skip("memory here comes with each thread or process that is used the first time")
    at_once = AT_ONCE if strict else AT_ONCE_LIBRARY
    give_up(service, WARM_UP, at_once)
    grown = [growth(service, at_once)]
    while grown[-1] >= KEPT_BYTES + WAVES * at_once * KEPT_BYTES_EACH:
        assert len(grown) < (STRICT_ROUNDS if strict else ROUNDS), grown
        grown.append(growth(service, at_once))
    check(ask(service.url, "/?delay=0"), 200, echo("0"))


def growth(service: Service, at_once: int) -> int:
    """How much memory it has taken when so many clients have given up."""
    before = service.rss_bytes()
    give_up(service, WAVES, at_once)
    check(ask(service.url, "/?delay=0"), 200, echo("0"))  # behind all that a slow one has queued
    return service.rss_bytes() - before


def give_up(service: Service, waves: int, at_once: int) -> None:
    """Let clients ask and leave before the answer, `at_once` of them, `waves` times."""
    for _ in range(waves):
        with ExitStack() as stack:
            for _ in range(at_once):
                stack.enter_context(Connection(service.url)).send("/?delay=0.1")
            time.sleep(0.05)
        time.sleep(0.1)
