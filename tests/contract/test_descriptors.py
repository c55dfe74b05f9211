"""A full service: the event loops from scratch refuse connections that they cannot hold."""

from __future__ import annotations

import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from tests.contract import parts
from tests.contract.client import ask, check, echo, until
from tests.contract.conftest import Backend, Service, Start

MORE_THAN_SELECT_TAKES = 1100


@pytest.fixture
def _enough_descriptors() -> Iterator[None]:
    """Raise the limit of this process: the service's is tested."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 4096:
        pytest.skip(f"only {hard} open files are allowed, see ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("_enough_descriptors")
def test_select_refuses_connections_beyond_its_limit(start: Start, backend: Backend) -> None:
    (name,) = (each.name for each in parts.in_order() if each.server.endswith(" on select"))
    with start(name, BACKEND_URL=backend.url) as service, ExitStack() as stack:
        before = service.descriptors()
        peers = [
            stack.enter_context(socket.create_connection(address(service), timeout=10))
            for _ in range(MORE_THAN_SELECT_TAKES)
        ]
        refused: set[socket.socket] = set()

        def count() -> int:
            refused.update(peer for peer in peers if peer not in refused and is_closed(peer))
            return len(refused)

        assert until(lambda: before + len(peers) - count() <= 1024)
        assert len(refused) < MORE_THAN_SELECT_TAKES / 4
        assert service.log().count("\n") == 0  # one line, log() strips the end of it
        assert "refusing new" in service.log()
        held = next(peer for peer in peers if peer not in refused)
        held.sendall(b"GET /?delay=0.01 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert held.recv(1000).startswith(b"HTTP/1.1 200 ")
        stack.close()
        assert until(lambda: service.descriptors() <= before + 2)
        check(ask(service.url, "/?delay=0.01"), 200, echo("0.01"))


def address(service: Service) -> tuple[str, int]:
    parts = urlsplit(service.url)
    return parts.hostname or "", parts.port or 0


def is_closed(peer: socket.socket) -> bool:
    peer.setblocking(False)
    try:
        return peer.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True
    finally:
        peer.settimeout(10)
