"""`/composite`: twelve calls and five burns, in the order the contract gives."""

from __future__ import annotations

import socket

import pytest

from tests.contract import fake_backend
from tests.contract.client import (
    HELD_UP_S,
    ask,
    check,
    composed,
    error,
    identified,
    settle,
    together,
    until,
)
from tests.contract.conftest import TIMEOUT_S, Backend, Service
from tests.contract.fake_backend import Call, FakeBackend, response
from tests.contract.fake_port import pause
from tests.contract.test_broken_backend import MOST_CALLS
from tests.contract.test_cpu import own_burn_s

pytestmark = pytest.mark.part("app")

FIRST, BRANCHES, LAST = 1, set(range(2, 12)), 12


class History:
    """A behaviour that answers late and knows which answers came before each call."""

    def __init__(self) -> None:
        self.calls: list[int] = []
        self.before: dict[int, set[int]] = {}
        self.peak = 0
        self._answered: set[int] = set()

    def __call__(self, peer: socket.socket, call: Call) -> None:
        number = number_of(call)
        self.before[number] = set(self._answered)
        self.calls.append(number)
        self.peak = max(self.peak, len(self.calls) - len(self._answered))
        pause(peer, 0.1)
        self._answered.add(number)  # first: the next call may be here before sendall() is done
        peer.sendall(response(call))


@pytest.mark.parametrize("request_id", ["", "a-1", "x" * 64], ids=["no id", "id", "long id"])
def test_all_ids_in_order(service: Service, request_id: str) -> None:
    headers = identified(request_id) if request_id else ()
    answer = ask(service.url, "/composite?delay=0.010&cycles=10", headers=headers)
    check(answer, 200, composed("0.010", request_id, 10))


def test_the_backend_sees_the_calls_in_order(
    doubtful: Service, fake: FakeBackend, serial: bool
) -> None:
    def peak() -> int:
        fake.forget()
        fake.behave = history = History()
        answer = ask(doubtful.url, "/composite?delay=2&cycles=0", headers=identified("c"))
        check(answer, 200, composed("2", "c", 0))
        assert {(call.method, call.target) for call in fake.calls} == {("GET", "/delay/2")}
        assert {call.request_id.rpartition(".")[0] for call in fake.calls} == {"c"}
        assert sorted(history.calls) == sorted({FIRST, LAST} | BRANCHES)
        assert history.before[FIRST] == set()
        assert all(FIRST in history.before[number] for number in BRANCHES)
        assert history.before[LAST] == {FIRST} | BRANCHES
        return history.peak

    if serial:
        assert peak() == 1
    else:  # all ten of the branches, unless something else holds the machine up
        assert until(lambda: peak() == 10, HELD_UP_S)


def test_takes_about_three_delays(service: Service, backend: Backend, serial: bool) -> None:
    delay = "0.05" if serial else "0.3"

    def takes_s() -> float:
        backend.reset()
        answer = ask(service.url, f"/composite?delay={delay}&cycles=0", headers=identified("t"))
        check(answer, 200, composed(delay, "t", 0))
        assert answer.elapsed_s >= float(delay) * (12 if serial else 3)
        assert backend.stats()["calls"] == 12
        return answer.elapsed_s

    if serial:
        takes_s()
        assert backend.stats()["peak_in_flight"] == 1
    else:  # one branch after the other would be four
        assert until(lambda: takes_s() < 3.9 * float(delay), HELD_UP_S)


def test_five_burns(service: Service) -> None:
    cycles = 1_000_000
    before_s = service.cpu_s()
    answer = ask(service.url, f"/composite?delay=0&cycles={cycles}", headers=identified("b"))
    check(answer, 200, composed("0", "b", cycles))
    assert service.cpu_s() - before_s > 5 * own_burn_s(cycles) / 4


def test_calls_above_concurrency_wait_in_line(limited: Service, backend: Backend) -> None:
    backend.reset()
    asks = [("/composite?delay=0.02&cycles=0", identified(f"c{number}")) for number in range(10)]
    for number, answer in enumerate(together(limited.url, asks)):
        check(answer, 200, composed("0.02", f"c{number}", 0))
    stats = backend.stats()
    assert stats["calls"] == 10 * 12
    assert stats["peak_in_flight"] <= 5


@pytest.mark.parametrize("failing", [1, 2, 6, 7, 11, 12])
def test_one_call_fails(doubtful: Service, fake: FakeBackend, failing: int) -> None:
    chosen = {failing: fake_backend.has_status("500 Internal Server Error")}
    fake.behave = fake_backend.by_number(chosen)
    answer = ask(doubtful.url, "/composite?delay=0&cycles=0", headers=identified("f"))
    check(answer, 502, error(f"backend {fake.url} gave no valid answer"))
    assert max(map(number_of, fake.calls)) <= {1: 1, 12: 12}.get(failing, 11)
    fake.behave = fake_backend.answer
    answer = ask(doubtful.url, "/composite?delay=2&cycles=0", headers=identified("next"))
    check(answer, 200, composed("2", "next", 0))


@pytest.mark.part("client")
def test_one_call_is_slow(doubtful: Service, fake: FakeBackend) -> None:
    settle(doubtful.url)
    fake.calls.clear()
    fake.behave = fake_backend.by_number({8: fake_backend.silent})
    answer = ask(doubtful.url, "/composite?delay=0&cycles=0", headers=identified("s"))
    check(answer, 504, error(f"backend {fake.url} did not answer within {TIMEOUT_S:g} s"))
    assert TIMEOUT_S * 0.9 <= answer.elapsed_s < MOST_CALLS * TIMEOUT_S + HELD_UP_S
    assert max(map(number_of, fake.calls)) <= max(BRANCHES)


@pytest.mark.part("client")
def test_nothing_is_left_running(doubtful: Service, fake: FakeBackend) -> None:
    """A failure ends the calls of its own branch and of the other one."""
    slow = fake_backend.trickle(pieces=4, pause_s=0.3)
    chosen = dict.fromkeys(BRANCHES, slow) | {2: fake_backend.drop}
    fake.behave = fake_backend.by_number(chosen)
    answer = ask(doubtful.url, "/composite?delay=0&cycles=0", headers=identified("l"))
    check(answer, 502, error(f"backend {fake.url} gave no valid answer"))
    assert until(lambda: fake.in_flight() == 0)
    assert max(map(number_of, fake.calls)) <= max(BRANCHES)


def test_backend_down(doubtful: Service, fake: FakeBackend) -> None:
    fake.refuse()
    answer = ask(doubtful.url, "/composite?delay=0&cycles=0")
    check(answer, 502, error(f"backend {fake.url} gave no valid answer"))


def number_of(call: Call) -> int:
    """12, for the call `<id>.12`."""
    return int(call.request_id.rpartition(".")[2])
