"""Bad input of every kind: no 5xx, no hang, no traceback; `checks.hostile` sends far more of it."""

from __future__ import annotations

import pytest

from loadtests import catalog
from loadtests.checks.answers import fault
from loadtests.checks.bad_input import CRLF, Input
from loadtests.checks.hostile import Look
from tests.contract.client import ask, check, echo
from tests.contract.conftest import Service

NUMBER, SEED = 100, 20
REFUSED = (
    b"GET / HTTP/1.1\r\nHost: a\r\nno field\r\n\r\n",
    b"GET /?delay=0 HTTP/0.9\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 6\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"GET /?delay=0 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\r\n5\r\nhello\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"1" * 5000 + b"\r\n\r\n",
    b"GET /health\nHost: a\r\n\r\n",
    b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + b"x" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
)


@pytest.mark.part("server")
def test_bad_input_does_no_harm(service: Service, about: catalog.Service) -> None:
    """Malformed heads, targets, lengths and encodings, floods, pipelines, half-closes."""
    look = Look(service.url, service.log_since, about.exceptions)
    look.search(NUMBER, SEED, shrinks=False)
    assert look.asked >= NUMBER
    assert {found: repr(asked) for found, asked in look.faults.items()} == {}
    check(ask(service.url, "/?delay=0"), 200, echo("0"))


@pytest.mark.part("server")
@pytest.mark.rule("refusal log")
def test_the_log_holds_no_traceback_of_what_is_refused(service: Service) -> None:
    look = Look(service.url, service.log_since)
    assert [look.ask(Input((asked,), False)) for asked in REFUSED] == [""] * len(REFUSED)


@pytest.mark.parametrize(
    ("received", "logged", "found"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", "", ""),
        (b"HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 500 Oh\r\n\r\n", "", "a 500"),
        (b"HTTP/1.1 505 No\r\n\r\n", "", ""),
        (b"", "", ""),
        (None, "", "a hang: no end within 10 s"),
        (b"{}", "", "an answer that is not HTTP/1"),
        (b"", "Traceback (most recent call last):\n  File\nKeyError: 1\n", "a traceback: KeyError"),
    ],
)
def test_faults_are_named(received: bytes | None, logged: str, found: str) -> None:
    assert fault(received, logged) == found


def test_only_the_tracebacks_of_others_are_excused() -> None:
    theirs = 'Traceback (most recent call last):\n  File "/x/lib/y.py", line 1\nKeyError: 1\n'
    assert fault(b"", theirs, ["refusal log"]) == ""
    ours = theirs.replace("/x/lib", "/x/services/flask")
    assert fault(b"", ours, ["refusal log"]) == "a traceback: KeyError"


def test_an_input_is_shown_as_python_that_sends_it_again() -> None:
    given = Input((b"GET /" + b"a=&" * 3000 + b" HTTP/1.1" + CRLF, b"", b"x"), False)
    text = repr(given)
    assert len(text) < 100
    assert eval(text) == given.parts
