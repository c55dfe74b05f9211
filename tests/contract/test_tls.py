"""TLS where TLS_CERTIFICATE and TLS_KEY say so: the same answers as without it, and no others."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from loadtests import catalog
from loadtests.catalog import TLS
from loadtests.runtime import certificate
from loadtests.runtime.process import fetch
from tests.contract.client import TIMEOUT_S, echo, identified
from tests.contract.conftest import Backend, Service, Start
from tests.contract.running import STARTS_S
from tests.contract.test_shutdown import DRAIN_S, ended_well

pytestmark = pytest.mark.part("tls")

FEW = 5


@pytest.fixture(scope="module")
def files(about: catalog.Service) -> Iterator[dict[str, str]]:
    """The two variables, for a certificate of the service's."""
    if not about.tls:
        pytest.skip("it does not offer TLS")
    with certificate.made(replace(about, transport=TLS)) as made:
        yield made.files


@pytest.fixture(scope="module")
def secured(start: Start, name: str, backend: Backend, files: dict[str, str]) -> Iterator[Service]:
    """The service with TLS, and the real backend without it."""
    with start(name, BACKEND_URL=backend.url, WORKERS="1", **files) as running:
        yield running


def test_answers(secured: Service, name: str, files: dict[str, str]) -> None:
    """On one connection, which is kept, by TLS 1.3, with the certificate that it was given."""
    url = urlsplit(secured.url)
    assert url.scheme == "https"
    context = ssl.create_default_context(cafile=files["TLS_CERTIFICATE"])
    connection = http.client.HTTPSConnection(
        url.hostname or "", url.port, timeout=TIMEOUT_S, context=context
    )
    sockets = []
    for target in ("/health", "/?delay=0.01", "/info", "/?delay=0.01"):
        connection.request("GET", target, headers=dict(identified("tls")))
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == 200
        if target == "/health":
            assert body == b'{"status":"ok"}'
        elif target == "/info":
            assert json.loads(body)["service"] == name
        else:
            assert body == echo("0.01", "tls")
        sockets.append(connection.sock)
        assert connection.sock.version() == "TLSv1.3"
    assert len({*map(id, sockets)}) == 1
    connection.close()


def test_a_request_without_tls_is_not_answered(secured: Service, files: dict[str, str]) -> None:
    """A server may say why, in TLS or in words; the service goes on."""
    url = urlsplit(secured.url)
    with socket.create_connection((url.hostname, url.port), TIMEOUT_S) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")
        said = b""
        with contextlib.suppress(ConnectionError):
            said = connection.recv(4096)
    assert b" 200 " not in said
    assert b"ok" not in said
    assert fetch(f"{secured.url}/health", certificate=files["TLS_CERTIFICATE"])[0] == 200


@pytest.mark.parametrize("sent", [0, 100, 10_000], ids=["nothing", "a part", "all"])
def test_a_handshake_that_breaks_off_is_no_traceback(
    secured: Service, files: dict[str, str], sent: int
) -> None:
    """A caller that gave up connecting: it closes after so many bytes of its first message."""
    url = urlsplit(secured.url)
    before = len(secured.log().encode())
    hello = ssl.MemoryBIO()
    half = ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), hello, server_hostname="a")
    with contextlib.suppress(ssl.SSLWantReadError):
        half.do_handshake()
    first = hello.read()
    assert len(first) > 100
    with socket.create_connection((url.hostname, url.port), TIMEOUT_S) as connection:
        connection.sendall(first[:sent])
    assert fetch(f"{secured.url}/health", certificate=files["TLS_CERTIFICATE"])[0] == 200
    time.sleep(0.2)  # a log comes when it comes
    assert b"Traceback" not in secured.log_since(before)


def test_what_is_in_flight_at_sigterm_is_finished(
    start: Start, name: str, backend: Backend, files: dict[str, str]
) -> None:
    backend.reset()

    def ask(number: int) -> tuple[int, bytes]:
        url, headers = f"{service.url}/?delay=1", dict(identified(f"tls-{number}"))
        file = files["TLS_CERTIFICATE"]
        return fetch(url, headers=headers, timeout_s=TIMEOUT_S, certificate=file)

    with (
        start(name, BACKEND_URL=backend.url, WORKERS="1", **files) as service,
        ThreadPoolExecutor(FEW) as pool,
    ):
        info = fetch(f"{service.url}/info", certificate=files["TLS_CERTIFICATE"])[1]
        number = min(FEW, json.loads(info)["slots"])
        answers = [pool.submit(ask, one) for one in range(number)]
        assert backend.reaches(number)
        service.terminate()
        assert [answer.result() for answer in answers] == [
            (200, echo("1", f"tls-{one}")) for one in range(number)
        ]
        ended_well(service, DRAIN_S)


@pytest.mark.parametrize("variable", ["TLS_CERTIFICATE", "TLS_KEY"])
def test_a_file_that_is_none(
    start: Start, name: str, files: dict[str, str], variable: str, tmp_path: Path
) -> None:
    """One line of the log names the variable, and nothing is left."""
    wrong = files | {variable: str(tmp_path / "missing.pem")}
    with start(name, ready=False, **wrong) as service:
        assert service.exit_status(STARTS_S) not in (0, None), service.log()
        assert service.processes_left() == []
        assert variable in service.log()
        assert len(service.log().splitlines()) == 1
