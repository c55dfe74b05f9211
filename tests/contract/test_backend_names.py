"""The backend's name: one that nobody knows, and one with several addresses."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading

import pytest

from tests.contract.client import (
    HELD_UP_S,
    Connection,
    ask,
    check,
    echo,
    error,
    fanned_out,
    identified,
    until,
)
from tests.contract.conftest import Service, Start, without_traceback
from tests.contract.fake_backend import FakeBackend

pytestmark = pytest.mark.part("client")

NOBODY = "http://no-such-host.invalid:8000"
SEVERAL = "several.test"
ADDRESSES = ("::1", "127.0.0.1", "127.0.0.2")
GONE = "gone.test"
DNS_PORT = 53
MANY = 36  # more than the threads that a pool has for lookups: up to 32 in asyncio
SILENT_S = 6  # until a resolver asks again, or gives up
LOOKED_UP_S = 4.0  # less than that


def test_a_name_that_does_not_resolve(start: Start, name: str, strict: bool) -> None:
    broken = error(f"backend {NOBODY} gave no valid answer")
    with start(name, BACKEND_URL=NOBODY) as service, quiet(service, strict):
        for target in ("/?delay=0", "/fanout?calls=3&delay=0", "/composite?delay=0&cycles=0"):
            check(ask(service.url, target), 502, broken)
        check(ask(service.url, "/health"), 200, b'{"status":"ok"}')


@pytest.mark.rule("name lookup")
def test_a_name_that_nobody_answers_for(start: Start, name: str, serial: bool) -> None:
    """The timeout covers a lookup, and one that still waits holds up none that comes later."""
    with Nameserver() as names, FakeBackend() as backend, contextlib.ExitStack() as opened:
        lines = [f"nameserver {names.address}", f"options timeout:{SILENT_S}"]
        settings = {"BACKEND_URL": f"http://{GONE}:{backend.port}", "BACKEND_TIMEOUT_S": "0.5"}
        service = opened.enter_context(start(name, etc={"resolv.conf": lines}, **settings))
        early = [Connection(service.url, LOOKED_UP_S) for _ in range(1 if serial else MANY)]
        for connection in early:
            opened.enter_context(connection).send("/?delay=0")
        for connection in early:
            assert connection.receive().status in (502, 504)
        names.answers = True
        check(ask(service.url, "/?delay=0", headers=identified("a")), 200, echo("0", "a"))


class Nameserver:
    """One that hears questions and, once it `answers`, says that each name is this machine's."""

    def __init__(self) -> None:
        self.answers = False
        own = os.getpid() % 65_000  # tests that run beside this one have one, too
        self.address = f"127.77.{own // 250}.{own % 250 + 1}"
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Nameserver:
        try:
            self._socket.bind((self.address, DNS_PORT))
        except OSError as error:
            self._socket.close()
            pytest.skip(f"no nameserver of its own: {error.strerror}")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", (self.address, DNS_PORT))  # no question: the end
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            question, asker = self._socket.recvfrom(512)
            if not question:
                return
            if self.answers:
                self._socket.sendto(_reply(question), asker)


def _reply(question: bytes) -> bytes:
    """A DNS response (RFC 1035, 4.1): 127.0.0.1 where an IPv4 address is asked for, else none."""
    end = question.index(b"\0", 12) + 5  # of the name, its type and its class
    is_a = question[end - 4 : end - 2] == b"\0\1"
    head = question[:2] + struct.pack("!HHHHH", 0x8180, 1, is_a, 0, 0)
    address = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 0, 4) + socket.inet_aton("127.0.0.1")
    return head + question[12:end] + address * is_a


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
