"""SIGTERM: what is in flight is finished, nothing is lost, nothing is left."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from loadtests.runtime.ports import is_free
from tests.contract.client import (
    HELD_UP_S,
    Closed,
    Connection,
    ask,
    check,
    echo,
    gather,
    identified,
    until,
)
from tests.contract.conftest import Backend, Service, Start

pytestmark = pytest.mark.part("server")

MANY = 20
DRAIN_S = 30.0
PROMPTLY_S = 20.0  # no longer than a server may keep an idle connection
# Several servers of PyPI end by the signal itself, once all is done.
ENDS_WELL = (0, -signal.SIGTERM, 128 + signal.SIGTERM)


def test_under_load(start: Start, name: str, backend: Backend) -> None:
    """Every request that had arrived gets its answer, from the first to the last in the queue."""
    backend.reset()
    with start(name, BACKEND_URL=backend.url, WORKERS="1", CONCURRENCY="5") as service:
        slots = service.info()["slots"]
        with busy(service, "0.3" if slots > 2 else "0.1") as answers:
            assert has_been_read(backend, slots)
            service.terminate()
            answers()
        ended_well(service, DRAIN_S)


def test_no_new_connection_is_accepted(start: Start, name: str, backend: Backend) -> None:
    """Requests in flight are finished meanwhile, whatever becomes of later ones."""
    backend.reset()
    with start(name, BACKEND_URL=backend.url, WORKERS="1") as service:
        slots = service.info()["slots"]
        delay_s = 3 if slots >= MANY else 0.1
        with opened(service, 1) as (idle,), busy(service, str(delay_s)) as answers:
            assert backend.reaches(min(MANY, slots))
            service.terminate()
            began = time.monotonic()
            assert until(lambda: not is_accepted(service))
            # One at a time, the signal has to wait as everything does.
            assert slots == 1 or time.monotonic() - began < delay_s
            # On an open connection: an answer, a 503 or the end of the connection.
            with contextlib.suppress(Closed):
                answer = idle.ask("/health")
                assert answer.status in (200, 503)
                assert answer.header("Content-Type") == "application/json"
            answers()
        ended_well(service, DRAIN_S)


def test_idle(start: Start, name: str, backend: Backend) -> None:
    """Idle connections, of clients and to the backend, hold nothing up."""
    with start(name, BACKEND_URL=backend.url) as service, opened(service, 5) as connections:
        for connection in connections:
            check(connection.ask("/?delay=0"), 200, echo("0"))
        service.terminate()
        ended_well(service, PROMPTLY_S)
        assert all(connection.is_closed() for connection in connections)


@contextlib.contextmanager
def busy(service: Service, delay: str) -> Iterator[Callable[[], None]]:
    """MANY calls sent on open connections; what is yielded awaits and checks the answers."""
    with opened(service, MANY) as connections:
        for number, connection in enumerate(connections):
            connection.send(f"/?delay={delay}", headers=identified(f"busy-{number}"))

        def answers() -> None:
            for number, answer in enumerate(gather(connections)):
                check(answer, 200, echo(delay, f"busy-{number}"))

        yield answers


def has_been_read(backend: Backend, slots: int) -> bool:
    """Wait until the service has surely read what `busy` sent; False where it does not.

    It has where all are at the backend. It had the time for it where a slot has its second call.
    """
    return until(lambda: backend.stats()["calls"] >= min(MANY, slots + 1))


@contextlib.contextmanager
def opened(service: Service, count: int) -> Iterator[Sequence[Connection]]:
    """Connections that the service has accepted, as their first answer shows."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(Connection(service.url)) for _ in range(count)]
        for connection in connections:
            assert connection.ask("/health").status == 200
        yield connections


def is_accepted(service: Service) -> bool:
    """True if a request on a new connection is served: not refused, dropped, ignored or a 503."""
    try:
        return ask(service.url, "/health", timeout_s=0.5).status != 503
    except (OSError, Closed):
        return False


def ended_well(service: Service, within_s: float) -> None:
    assert service.exit_status(within_s + HELD_UP_S) in ENDS_WELL, service.log()
    assert until(lambda: service.processes_left() == []), service.processes_left()
    assert is_free(int(service.url.rpartition(":")[2]))
    assert "Traceback" not in service.log()
