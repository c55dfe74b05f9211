"""The backend's name: one that nobody knows, and one with several addresses."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator

import pytest

from tests.contract.client import HELD_UP_S, ask, check, echo, error, fanned_out, identified, until
from tests.contract.conftest import Service, Start, without_traceback
from tests.contract.fake_backend import FakeBackend

pytestmark = pytest.mark.part("client")

NOBODY = "http://no-such-host.invalid:8000"
SEVERAL = "several.test"
ADDRESSES = ("::1", "127.0.0.1", "127.0.0.2")
LOOKED_UP_S = 4.0  # a resolver gives up after 5 s at the earliest


def test_a_name_that_does_not_resolve(start: Start, name: str, strict: bool) -> None:
    broken = error(f"backend {NOBODY} gave no valid answer")
    with start(name, BACKEND_URL=NOBODY) as service, quiet(service, strict):
        for target in ("/?delay=0", "/fanout?calls=3&delay=0", "/composite?delay=0&cycles=0"):
            check(ask(service.url, target), 502, broken)
        check(ask(service.url, "/health"), 200, b'{"status":"ok"}')


@pytest.mark.rule("name lookup")
def test_a_name_that_nobody_answers_for(start: Start, name: str) -> None:
    """The time that a lookup takes counts, too: 502 or 504 before the resolver gives up."""
    with silent_nameserver() as address:
        etc = {"resolv.conf": [f"nameserver {address}"]}
        with start(name, etc=etc, BACKEND_URL=NOBODY, BACKEND_TIMEOUT_S="0.5") as service:
            answer = ask(service.url, "/?delay=0", timeout_s=LOOKED_UP_S)
            assert answer.status in (502, 504)


@contextlib.contextmanager
def silent_nameserver() -> Iterator[str]:
    """The address of one that hears questions and says nothing."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        own = os.getpid() % 65_000  # tests that run beside this one have one, too
        address = f"127.77.{own // 250}.{own % 250 + 1}"
        try:
            server.bind((address, 53))
        except OSError as error:
            pytest.skip(f"no nameserver of its own: {error.strerror}")
        yield address


@pytest.mark.rule("backend name")
def test_a_name_with_several_addresses(start: Start, name: str, strict: bool) -> None:
    """One address of several is enough, whatever their order."""
    hosts = ["127.0.0.1 localhost", *(f"{address} {SEVERAL}" for address in ADDRESSES)]
    with FakeBackend(ADDRESSES[1]) as one:
        url = f"http://{SEVERAL}:{one.port}"
        with start(name, etc={"hosts": hosts}, BACKEND_URL=url) as service, quiet(service, strict):

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
