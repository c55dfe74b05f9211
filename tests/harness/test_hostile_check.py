"""`checks.hostile` finds what is wrong, makes it short, and says what it lacks."""

from __future__ import annotations

import resource
import socketserver
import sys
import threading
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from loadtests.checks import crowds, hostile
from loadtests.checks.bad_input import Input
from loadtests.checks.hostile import Look


@contextmanager
def server(stumbles_over: bytes) -> Iterator[str]:
    """A server that answers 500 to what contains this, and 200 to the rest."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            asked = b""
            with suppress(OSError):  # a client that has dropped the connection
                while b"\r\n\r\n" not in asked and (data := self.request.recv(65536)):
                    asked += data
                status = b"500 Oh" if stumbles_over in asked else b"200 OK"
                self.request.sendall(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)
                while self.request.recv(65536):  # unread bytes would turn the end into a reset
                    pass

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 128

    with Server(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        running.shutdown()


def logs_nothing(_: int) -> bytes:
    return b""


def test_a_fault_is_found_and_made_short() -> None:
    with server(stumbles_over=b"%zz") as url:
        look = Look(url, logs_nothing)
        look.search(400, 1)
    assert list(look.faults) == ["a 500"]
    shortest = b"".join(look.faults["a 500"].parts)
    assert b"%zz" in shortest
    assert len(shortest) < 500  # inputs have up to 300,000


class LateLog:
    """A log to which a traceback comes only after the look at the answer of one input."""

    def __init__(self, text: bytes) -> None:
        self._text, self._looks = text, 0

    def since(self, offset: int) -> bytes:
        self._looks += 1
        return self._text[offset:] if self._looks > 2 else b""  # before an input, and after it


TRACEBACK = b'Traceback (most recent call last):\n  File "/lib/server.py", line 1, in f\nOops: no\n'
OWN = TRACEBACK.replace(b"/lib/", b"/opt/services/")
FIRST, SECOND = (Input((b"GET /%d HTTP/1.1\r\n\r\n" % number,), False) for number in (1, 2))


def test_a_traceback_that_is_late_is_the_input_s_before() -> None:
    with server(stumbles_over=b"not sent by anybody") as url:
        look = Look(url, LateLog(TRACEBACK).since)
        assert [look.ask(FIRST), look.ask(SECOND)] == ["", ""]
        assert look.faults == {"a traceback: Oops": FIRST}
        assert look.late_fault() == ""  # it was judged already


def test_a_traceback_after_the_last_input_of_a_search_is_found() -> None:
    with server(stumbles_over=b"not sent by anybody") as url:
        look = Look(url, LateLog(TRACEBACK).since)
        look.search(1, 1)
    assert list(look.faults) == ["a traceback: Oops"]


@pytest.mark.parametrize(("text", "found"), [(TRACEBACK, []), (OWN, ["a traceback: Oops"])])
def test_what_is_late_is_excused_as_the_rest(text: bytes, found: list[str]) -> None:
    with server(stumbles_over=b"not sent by anybody") as url:
        look = Look(url, LateLog(text).since, {"refusal log"})
        look.search(1, 1)
    assert list(look.faults) == found


class Stumbling:
    """A service that logs a traceback at a good request, or at connections that are held."""

    url, pid, returncode = "http://service", 0, 0

    def __init__(self) -> None:
        self.log = b""

    def __enter__(self) -> Stumbling:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def wait_ready(self) -> None:
        pass

    def log_since(self, offset: int) -> bytes:
        return self.log[offset:]


@pytest.mark.parametrize("when", ["a good request", "5 held connections"])
def test_what_is_logged_after_the_bad_input_is_judged(
    monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    service = Stumbling()

    def good(*_: object) -> tuple[int, bytes]:
        service.log += TRACEBACK if "good" in when else b""
        return 200, b""

    def held(*_: object) -> list[str]:
        service.log += TRACEBACK if "held" in when else b""
        return []

    monkeypatch.setattr(hostile, "ServiceProcess", lambda *_: service)
    monkeypatch.setattr(hostile, "fetch", good)
    monkeypatch.setattr(hostile, "_held", lambda _: (0, 0))
    monkeypatch.setattr(hostile.Look, "search", lambda *_: None)
    monkeypatch.setattr(crowds, "held", held)
    monkeypatch.setattr(crowds, "drained", lambda *_: [])
    options = Namespace(requests=2, held=5, seed=1)
    assert list(hostile.findings("backend", "", options)) == [f"a traceback: Oops, after {when}"]


def test_memory_may_not_grow_with_each_request() -> None:
    """In 50,000 requests: 8 MiB and 64 bytes of each, far less than a kept request."""
    assert hostile.may_grow_bytes(1) < 8.1 * 2**20
    assert hostile.may_grow_bytes(50_000) == 8 * 2**20 + 50_000 * 64


def test_the_same_seed_asks_the_same() -> None:
    with server(stumbles_over=b"not sent by anybody") as url:
        asked = []
        for _ in range(2):
            look = Look(url, logs_nothing)
            look.ask = lambda one: asked.append(one) or ""  # type: ignore[method-assign,func-returns-value]
            look.search(30, 7)
    assert len(asked) == 60
    assert asked[:30] == asked[30:]
    assert len(set(asked[:30])) > 20


def test_held_connections_are_served_one_and_all() -> None:
    with server(stumbles_over=b"not sent by anybody") as url:
        assert list(crowds.held(url, "/", 50)) == []
    with server(stumbles_over=b"GET") as url:
        (found,) = crowds.held(url, "/", 50)
    assert found.startswith("connection 1 of 50 held was answered b'HTTP/1.1 500")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["hostile", *words])
    return hostile.main()


def test_too_few_open_files_are_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda which: (1024, 4096))
    assert run(monkeypatch, "--services", "backend", "--held", "10000") == 2
    assert "the limit is 4096: raise `ulimit -Hn`" in capsys.readouterr().err


def test_an_unknown_service_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--services", "flask-thread") == 2
    said = capsys.readouterr().err
    assert "flask-threads" in said
    assert "Traceback" not in said
