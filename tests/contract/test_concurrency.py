"""Many requests at once: nothing mixed up, as parallel as `slots` says, and no more."""

from __future__ import annotations

import math
import time

import pytest

from tests.contract.client import (
    HELD_UP_S,
    Connection,
    ask,
    check,
    echo,
    identified,
    together,
    until,
)
from tests.contract.conftest import Backend, Service, without_traceback

pytestmark = pytest.mark.part("client")


def test_nothing_is_mixed_up(service: Service, slots: int) -> None:
    many = 200
    # One at a time, two hundred delays have to be short to end soon.
    base_us, step_us = (100_000, 2_000) if slots >= many else (1_000, 50)
    delays = [f"{(base_us + number * step_us) / 1e6:.6f}" for number in range(many)]
    ids = [f"mixed-{number * 7919 % many}" for number in range(many)]
    asks = [(f"/?delay={d}", identified(i)) for d, i in zip(delays, ids, strict=True)]
    # Neither first come nor shortest delay is first served.
    shuffled = [number * 77 % many for number in range(many)]
    answers = together(service.url, [asks[number] for number in shuffled])
    for number, answer in zip(shuffled, answers, strict=True):
        check(answer, 200, echo(delays[number], ids[number]))
        assert answer.elapsed_s >= float(delays[number])


def test_as_parallel_as_it_says(service: Service, backend: Backend, slots: int) -> None:
    check_parallelism(service, backend, slots)


def test_concurrency_is_a_limit_and_the_rest_waits(limited: Service, backend: Backend) -> None:
    slots = limited.info()["slots"]
    assert slots in (5, 1)
    check_parallelism(limited, backend, slots)


@pytest.mark.part("client", "server")
@pytest.mark.parametrize("reset", [False, True])
def test_clients_that_hang_up(limited: Service, backend: Backend, reset: bool) -> None:
    """Clients that hang up cost others no answer, and the service no slot."""
    with without_traceback(limited):
        leave(limited, backend, reset)
        for number in range(10):
            answer = ask(limited.url, "/?delay=0", headers=identified(f"next-{number}"))
            check(answer, 200, echo("0", f"next-{number}"))
        check_parallelism(limited, backend, limited.info()["slots"])


def leave(limited: Service, backend: Backend, reset: bool) -> None:
    """Hang up on calls in flight and in line, and in the middle of a request."""
    backend.reset()
    with Connection(limited.url) as faithful:
        leaving = [Connection(limited.url) for _ in range(12)]
        for number, connection in enumerate(leaving):
            connection.send("/?delay=0.1", headers=identified(f"gone-{number}"))
        faithful.send("/?delay=0.1", headers=identified("faithful"))
        assert until(lambda: backend.stats()["calls"] >= 1)
        for connection in leaving:
            connection.hang_up(reset)
        check(faithful.receive(), 200, echo("0.1", "faithful"))
    with Connection(limited.url) as connection:
        connection.send_bytes(b"GET /?delay=0 HTTP/1.1\r\nHo").hang_up(reset)


def check_parallelism(service: Service, backend: Backend, slots: int) -> None:
    """Twenty at once take their share of slots, and no more and no less."""
    many, delay_s = 20, 0.2 if slots > 1 else 0.05

    def peak() -> int:
        backend.reset()
        began = time.monotonic()
        asks = [(f"/?delay={delay_s}", identified(f"n-{number}")) for number in range(many)]
        answers = together(service.url, asks)
        assert time.monotonic() - began >= math.ceil(many / slots) * delay_s
        for number, answer in enumerate(answers):
            check(answer, 200, echo(str(delay_s), f"n-{number}"))
        stats = backend.stats()
        assert stats["calls"] == many
        assert stats["peak_in_flight"] <= slots
        return int(stats["peak_in_flight"])

    # At the best of a few times: something else may hold the machine up.
    assert until(lambda: peak() >= min(many, slots) / 2, HELD_UP_S)
