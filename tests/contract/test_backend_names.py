"""The backend's name: one that nobody knows, and one with several addresses."""

from __future__ import annotations

import contextlib

import pytest

from tests.contract.client import HELD_UP_S, ask, check, echo, error, fanned_out, identified, until
from tests.contract.conftest import Service, Start, without_traceback
from tests.contract.fake_backend import FakeBackend

pytestmark = pytest.mark.part("client")

NOBODY = "http://no-such-host.invalid:8000"
SEVERAL = "several.test"
ADDRESSES = ("::1", "127.0.0.1", "127.0.0.2")


def test_a_name_that_does_not_resolve(start: Start, name: str, strict: bool) -> None:
    broken = error(f"backend {NOBODY} gave no valid answer")
    with start(name, BACKEND_URL=NOBODY) as service, quiet(service, strict):
        for target in ("/?delay=0", "/fanout?calls=3&delay=0", "/composite?delay=0&cycles=0"):
            check(ask(service.url, target), 502, broken)
        check(ask(service.url, "/health"), 200, b'{"status":"ok"}')


@pytest.mark.rule("backend name")
def test_a_name_with_several_addresses(start: Start, name: str, strict: bool) -> None:
    """One address of several is enough, whatever their order."""
    hosts = ["127.0.0.1 localhost", *(f"{address} {SEVERAL}" for address in ADDRESSES)]
    with FakeBackend(ADDRESSES[1]) as one:
        url = f"http://{SEVERAL}:{one.port}"
        with start(name, hosts=hosts, BACKEND_URL=url) as service, quiet(service, strict):

            def is_answered() -> bool:
                return ask(service.url, "/?delay=0").status == 200

            check(ask(service.url, "/?delay=0", headers=identified("a")), 200, echo("0", "a"))
            answer = ask(service.url, "/fanout?calls=3&delay=0", headers=identified("f"))
            check(answer, 200, fanned_out("0", "f", 3))
            one.refuse()
            with FakeBackend(ADDRESSES[2], one.port):
                # A kept connection to the other one may cost an answer.
                assert until(is_answered, HELD_UP_S)
                for number in range(5):
                    answer = ask(service.url, "/?delay=0", headers=identified(f"b{number}"))
                    check(answer, 200, echo("0", f"b{number}"))


def quiet(service: Service, strict: bool) -> contextlib.AbstractContextManager[None]:
    """Assert that no traceback is logged, except by a library."""
    return without_traceback(service) if strict else contextlib.nullcontext()
