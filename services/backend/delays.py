"""Held calls and the counters of /stats, without any HTTP or socket."""

from __future__ import annotations

import asyncio
from collections import deque
from enum import Enum, auto
from heapq import heappop, heappush
from itertools import accumulate, count
from time import monotonic, process_time
from typing import Protocol

from alarm import alarm

# Answers given in one wake-up before the event loop may read again: of 8000
# calls due at once, none shall keep a new request unread for long.
BATCH = 32
# The alarm rings no more often than this: an answer is late by half of it on
# average, and under load one wake-up gives several answers.
QUANTUM_S = 0.0005
MAX_IDLE_LANES = 1000
# Lateness is counted in steps of 0.05 ms; the last one is for all above 100 ms.
LATE_STEPS_PER_S = 20_000
LAST_STEP = 2000


class State(Enum):
    """The state of a connection, by what its caller expects."""

    IDLE = auto()  # nothing
    HELD = auto()  # this one answer and nothing else: `write` sends it
    STRICT = auto()  # this one, perhaps among others: `complete` decides when it is sent
    GONE = auto()  # nothing any more


IDLE, HELD, STRICT, GONE = State  # an attribute of an Enum takes longer to look up


class Caller(Protocol):
    """The maker of a call, which gets its answer."""

    state: State

    def write(self, answer: bytes) -> None:
        """Send the answer at once."""

    def complete(self, answer: bytes, asked_s: float, due: float) -> None:
        """Send the answer once those before it are sent, and count it then."""


class Stats:
    """The counters. They are of delay calls only."""

    def __init__(self) -> None:
        self.carried = 0
        self._zero()

    def _zero(self) -> None:
        self.calls = self.answered = self.abandoned = self.failed = self.peak = 0
        self.asked_s = self.late_s = self.late_s_max = 0.0
        self.late_steps = [0] * (LAST_STEP + 1)

    def in_flight(self) -> int:
        """Calls received and not over yet, those before a reset included."""
        return self.carried + self.calls - self.answered - self.abandoned - self.failed

    def count_answered(self, calls: int, asked_s: float, late_s: float, latest_s: float) -> None:
        """Count `calls` answered: sums of the delays asked and the lateness, its maximum."""
        self.note_peak()
        self.answered += calls
        self.asked_s += asked_s
        self.late_s += late_s
        self.late_s_max = max(self.late_s_max, latest_s)

    def late_ms(self, share: float) -> float:
        """The lateness that `share` of the held calls did not exceed, to 0.05 ms and up to 100."""
        rank = share * sum(self.late_steps)
        if not rank:
            return 0.0
        upto = enumerate(accumulate(self.late_steps))
        step = next(step for step, calls in upto if calls >= rank)
        return round((step + 0.5) * 1000 / LATE_STEPS_PER_S, 3)

    def count_abandoned(self, calls: int) -> None:
        """Count `calls` whose caller closed the connection, or its direction of it, first."""
        self.note_peak()
        self.abandoned += calls

    def count_failed(self, calls: int) -> None:
        """Count `calls` that a fault has spoilt on purpose."""
        self.note_peak()
        self.failed += calls

    def note_peak(self) -> None:
        """Called before `in_flight` falls: so it need not be watched while it rises."""
        self.peak = max(self.peak, self.in_flight())

    def reset(self) -> None:
        """Start anew; calls in flight stay in flight."""
        self.carried = self.in_flight()
        self._zero()

    def report(self) -> dict[str, float]:
        """The body of /stats."""
        self.note_peak()
        answered = max(self.answered, 1)
        return {
            "calls": self.calls,
            "answered": self.answered,
            "abandoned": self.abandoned,
            "failed": self.failed,
            "in_flight": self.in_flight(),
            "peak_in_flight": max(self.peak, self.calls > 0),
            "served_s_mean": round((self.asked_s + self.late_s) / answered, 6),
            "late_ms_mean": round(self.late_s / answered * 1000, 3),
            "late_ms_max": round(self.late_s_max * 1000, 3),
            "late_ms_p50": self.late_ms(0.5),
            "late_ms_p99": self.late_ms(0.99),
            "cpu_s": round(process_time(), 6),  # never reset: ask twice and take the difference
        }


class Lane:
    """The calls held for one delay: first in, first out, so the first is the next one due."""

    __slots__ = ("_awaited", "_delays", "_held", "at_once", "seconds")

    def __init__(self, seconds: float, delays: Delays) -> None:
        self.seconds = seconds
        self.at_once = not seconds and not delays.stalled  # nothing is to be held
        self._delays = delays
        self._awaited = False  # whether `delays` is to wake this lane
        self._held: deque[tuple[float, Caller, bytes]] = deque()  # when due, to whom, what

    def hold(self, caller: Caller, answer: bytes) -> None:
        """Give `answer` to `caller` when this lane's delay has passed."""
        due = monotonic() + self.seconds
        if not self._awaited:
            self._awaited = True
            self._delays.wait_for(due, self)
        self._held.append((due, caller, answer))

    def drop_gone(self) -> None:
        """Forget the calls of callers that are gone."""
        alive = [call for call in self._held if call[1].state is not GONE]
        self._held.clear()
        self._held.extend(alive)

    def idle(self) -> bool:
        """True if no call is held here."""
        return not self._awaited

    def answer_due(self) -> float | None:
        """Answer a batch of what is due; return when the first of the rest is."""
        held, now = self._held, monotonic()
        late_steps = self._delays.stats.late_steps
        answered, dues, first_due = 0, 0.0, now
        for _ in range(min(BATCH, len(held))):
            due, caller, answer = held[0]
            if due > now:
                break
            held.popleft()
            late_steps[min(LAST_STEP, int((now - due) * LATE_STEPS_PER_S))] += 1
            if caller.state is HELD:
                caller.state = IDLE
                caller.write(answer)
                first_due = first_due if answered else due
                answered += 1
                dues += due
            elif caller.state is STRICT:
                caller.complete(answer, self.seconds, due)
        if answered:
            self._delays.stats.count_answered(
                answered, answered * self.seconds, answered * now - dues, now - first_due
            )
        self._awaited = bool(held)
        return held[0][0] if held else None


class Delays:
    """All lanes, the one alarm they share, and the counters."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.stats = Stats()
        self._lanes: dict[float, Lane] = {}
        self._next: list[tuple[float, int, Lane]] = []  # a heap: when each lane wants to be woken
        self._number = count()  # so that no two entries of the heap compare their lanes
        self._dead = 0
        self.stalled = False
        self._stalled_until = 0.0
        self._set_alarm = alarm(loop, self._answer_due)

    def lane(self, seconds: float) -> Lane:
        """The lane for a delay of so many seconds."""
        lane = self._lanes.get(seconds)
        if lane is None:
            if len(self._lanes) >= MAX_IDLE_LANES:
                self._lanes = {
                    s: lane for s, lane in self._lanes.items() if not s or not lane.idle()
                }
            lane = self._lanes[seconds] = Lane(seconds, self)
        return lane

    def wait_for(self, due: float, lane: Lane) -> None:
        """Wake `lane` when its first call is due."""
        heappush(self._next, (due, next(self._number), lane))
        if self._next[0][2] is lane and not self.stalled:
            self._set_alarm(due)

    def stall(self, seconds: float) -> None:
        """Answer no call for so long, in the place of a stall under way; then all that is due."""
        self.stalled = True
        self._stalled_until = monotonic() + seconds
        self.lane(0.0).at_once = False
        self._set_alarm(self._stalled_until)

    def _answer_due(self) -> None:
        now = monotonic()
        if self.stalled:
            if now < self._stalled_until:
                self._set_alarm(self._stalled_until)
                return
            self.stalled = False
            self.lane(0.0).at_once = True
        waiting = []
        while self._next and self._next[0][0] <= now:
            lane = heappop(self._next)[2]
            due = lane.answer_due()
            if due is not None:
                waiting.append((due, next(self._number), lane))
        for entry in waiting:
            heappush(self._next, entry)
        if not self._next:
            self._set_alarm(None)
        elif self._next[0][0] <= now:  # more than a batch was due: go on after reading
            self._set_alarm(now)
        else:
            self._set_alarm(max(self._next[0][0], monotonic() + QUANTUM_S))

    def abandon(self, calls: int) -> None:
        """Count calls as abandoned; where they are many, forget those of callers that are GONE."""
        self.stats.count_abandoned(calls)
        self._dead += calls
        if self._dead > 1000 + self.stats.in_flight():
            self._dead = 0
            for lane in self._lanes.values():
                lane.drop_gone()
