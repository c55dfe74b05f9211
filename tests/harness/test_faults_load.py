"""How a load of faults judges a service that answers as a test says."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import gevent
import pytest

from loadtests.load import base
from loadtests.workloads.faults import load
from loadtests.workloads.faults.outcome import Outcome

SLOTS = 4
PLAN = {
    "host": "http://127.0.0.1:1", "backend": "http://127.0.0.1:1",
    "profile": {
        "timeout_s": 0.3, "delay_s": 0.05, "rate_rps": 50, "fault_s": 0.2, "share": 1.0,
        "warmup_s": 0.0,
    },
}  # fmt: skip
Answer = Callable[[int], tuple[float, str]]  # a request's number: how long it takes, its kind


class Made(load.Load):
    """Asks nobody: requests of the steady stream and of bursts end as `stream` and `burst` say."""

    def __init__(self, stream: Answer, burst: Answer) -> None:
        super().__init__(PLAN)
        self.stream, self.burst_answer = stream, burst
        self.fault, self.burst, self.at_once, self.connections, self.kept = "500", SLOTS, 4, 0, 0
        self.asked = self.in_burst = 0
        self.begin()

    def _ask(self, delay: bytes) -> None:
        if delay == self.delay:
            took_s, kind = self.stream(self.asked)
            self.asked += 1
        else:
            took_s, kind = self.burst_answer(self.in_burst)
            self.in_burst += 1
        at = perf_counter()
        self.waiting.add(at)
        gevent.sleep(took_s)
        self.waiting.discard(at)
        self.outcomes.append(Outcome(at, perf_counter() - at, kind, kind))


@pytest.fixture(autouse=True)
def backend(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is told of faults, and has had as many calls at once as there are slots."""
    stats = {"peak_in_flight": SLOTS, "in_flight": 0, "connections": 0}
    monkeypatch.setattr(base, "await_look", lambda: None)
    monkeypatch.setattr(base, "ask_backend", lambda *_: b'{"status":"ok"}')
    monkeypatch.setattr(base, "backend_stats", lambda *_: stats)
    monkeypatch.setattr(load, "SETTLE_S", 0.0)


def well(number: int) -> tuple[float, str]:
    return 0.01, "right"


def judge(stream: Answer = well, burst: Answer = well, window_s: float = 3.0) -> dict[str, Any]:
    made = Made(stream, burst)
    made.run(window_s)
    return made.end()


def test_one_that_is_well() -> None:
    found = judge()
    about = found["fault"]
    assert (found["failures"], found["recovery_s"]) == (0, 0.0)
    assert (about["wrong"], about["none"], about["lost"]["unanswered"]) == (0, 0, 0)
    assert about["right"] > about["right_during"] == about["during"] > 0


@pytest.mark.parametrize("kind", ["wrong", "none"])
def test_what_is_wrong_in_the_first_burst_counts(kind: str) -> None:
    """Only then all kept connections are in use at once."""
    found = judge(burst=lambda number: (0.01, kind if number < 3 else "right"))
    assert found["fault"][kind] == found["failures"] == found["failure_kinds"][kind] == 3
    assert found["fault"]["seen"] == {kind: 3}
    assert found["requests"] == sum(found["fault"][name] for name in ("right", "error", kind))
    assert found["fault"]["lost"]["unanswered"] == 0  # each counts once


@pytest.mark.parametrize(("failing", "unanswered"), [(SLOTS, 0), (SLOTS + 1, 1), (99, 2 * SLOTS)])
def test_errors_of_the_first_burst_may_be_of_stale_connections(
    failing: int, unanswered: int
) -> None:
    found = judge(burst=lambda number: (0.01, "error" if number < failing else "right"))
    assert found["fault"]["lost"]["unanswered"] == unanswered
    assert (found["fault"]["error"], found["failures"]) == (0, 0)


def test_a_burst_is_no_part_of_the_next_window() -> None:
    made = Made(well, lambda number: (0.01, "wrong"))
    made.run(3.0)
    assert made.end()["fault"]["wrong"] == 3 * SLOTS
    made.burst_answer = well
    made.begin()
    made.run(3.0)
    assert made.end()["fault"]["wrong"] == 0


def test_one_that_hangs_now_and_then_did_not_recover() -> None:
    """The last answer to come is right, for each of those comes after the next timeout."""
    found = judge(lambda number: (0.3, "none") if number % 2 else (0.4, "right"), window_s=1.6)
    assert found["fault"]["none"] > 0
    assert found["recovery_s"] is None


def test_one_that_has_no_time_left_for_calm_did_not_recover() -> None:
    """From the 76th on, 1.5 s after the first, all is right; 0.6 s of calm are not left."""
    found = judge(lambda number: (0.01, "right" if number > 75 else "error"), window_s=1.7)
    assert found["recovery_s"] is None
    found = judge(lambda number: (0.01, "right" if number > 75 else "error"), window_s=6.0)
    assert found["recovery_s"] > 0


def test_requests_that_wait_when_the_fault_begins_are_judged() -> None:
    """The first 20 are sent before it, in 0.4 s; of those the last wait for 0.2 s."""
    early = range(15, 19)
    found = judge(lambda number: (0.2, "wrong") if number in early else (0.01, "right"))
    about = found["fault"]
    assert about["wrong"] == found["failures"] == len(early)
    assert about["right_during"] == about["during"] > 0  # by when they were sent
