"""The users that send at a rate, on a clock of the test's and without Locust around them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice, pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.load.address import Address

BODY = b'{"delay":0.01,"id":"%s"}'


class Clock:
    """Time goes on only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def perf_counter(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class FakeConnection:
    """Answers after as many seconds as the test has left in `answers_s`, then at once."""

    address = Address("127.0.0.1", 80)
    answers_s: list[float]
    clock: Clock

    def __init__(self, *_: object) -> None:
        self.begun_at = 0.0

    def open(self) -> None:
        pass

    def exchange(self, request: bytes) -> tuple[int, bytes]:
        self.clock.now += self.answers_s.pop(0) if self.answers_s else 0.0
        return 200, BODY % request.partition(b"X-Request-ID: ")[2].strip()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    monkeypatch.setenv("LOCUST_SKIP_MONKEY_PATCH", "1")  # not this process
    from loadtests.load import paced_user, users

    FakeConnection.clock, FakeConnection.answers_s = Clock(), []
    monkeypatch.setattr(users, "Connection", FakeConnection)
    for module in (users, paced_user):
        monkeypatch.setattr(module, "perf_counter", FakeConnection.clock.perf_counter)
    where = SimpleNamespace(random=lambda: 0.0)  # in its periods a user is
    monkeypatch.setattr(paced_user.PacedUser, "rng", where)
    monkeypatch.setattr(users.gevent, "sleep", FakeConnection.clock.sleep)
    return FakeConnection.clock


def kinds() -> list[type[Any]]:
    from loadtests.workloads.pollers.load import PollingUser

    return [PollingUser]


def user_of(kind: type[Any], fire: Callable[..., None] = lambda **_: None) -> Any:
    """A user in the state that Locust gives running ones; `fire` gets its requests."""
    from locust.user.task import LOCUST_STATE_RUNNING

    class User(kind):  # type: ignore[misc]
        delay = "0.01"
        period_s = 2.0

    user = User.__new__(User)
    user.host, user._state = "http://127.0.0.1", LOCUST_STATE_RUNNING
    events = SimpleNamespace(request=SimpleNamespace(fire=fire))
    user.environment = SimpleNamespace(events=events)
    return user


def test_one_request_is_due_in_each_period(clock: Clock) -> None:
    """Requests are at least half a period apart, and not at equal distances."""
    for kind in kinds():
        clock.now = 100.0
        user = user_of(kind)
        starts = [(due - 100) / 2 for due in islice(user.starts(), 50)]
        assert [int(start) for start in starts] == list(range(50))
        gaps = [b - a for a, b in pairwise(starts)]
        assert min(gaps) > 0.5
        assert len({round(gap, 3) for gap in gaps}) > 1


def test_they_begin_spread_over_a_period(clock: Clock) -> None:
    for kind in kinds():
        begins = []
        for _ in range(100):
            clock.now = 100.0
            user_of(kind).on_start()
            begins.append((clock.now - 100 - 0.1) / 2)  # settled, in periods
        begins.sort()
        assert -1e-9 <= begins[0] <= begins[-1] <= 1
        assert max(b - a for a, b in pairwise([0, *begins, 1])) < 0.03


def test_response_times_count_from_when_a_request_was_due(clock: Clock) -> None:
    """One answer takes 9 s; requests due meanwhile count the time since they were due."""
    from locust.user.task import LOCUST_STATE_STOPPING

    times_ms: list[float] = []

    def fire(response_time: float, exception: object, **_: object) -> None:
        assert exception is None
        times_ms.append(response_time)
        if len(times_ms) == 12:
            user._state = LOCUST_STATE_STOPPING

    FakeConnection.answers_s = [0.5, 0.5, 9.0]
    user = user_of(kinds()[0], fire)
    user.on_start()
    begun = clock.now
    due = [begun + (n + n * 0.6180339887498949 % 1 / 2) * 2 for n in range(12)]
    user.run_requests()
    answered = [due[0] + 0.5, due[1] + 0.5, due[2] + 9]
    answered += [max(at, answered[2]) for at in due[3:]]
    assert times_ms == pytest.approx([1000 * (a - d) for a, d in zip(answered, due, strict=True)])
    assert times_ms[3] > 6000 > times_ms[5] > 0 == pytest.approx(times_ms[-1])
