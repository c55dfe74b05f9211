"""A steady stream of requests, a fault in the middle, and a look at what is left of it."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import suppress
from itertools import count
from time import perf_counter
from typing import Any

import gevent

from loadtests.load import base
from loadtests.load.base import Load as AnyLoad
from loadtests.load.base import StepFailed, say
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed
from loadtests.workloads.faults import BACKEND, CALLERS, HARNESS, skipped
from loadtests.workloads.faults.callers import Callers
from loadtests.workloads.faults.outcome import Outcome, judged

BEFORE_S = 0.4  # of undisturbed arrivals in each window
WELL_S = 0.6  # so long nothing may go wrong before the service counts as whole
LATE_S = 0.5  # later than its delay, a right answer shows that something is still wrong
SETTLE_S = 0.3  # for connections to be closed that are no more used
BURST_DELAY_S = 0.4
MOST_AT_ONCE = 100  # requests of a burst, which shows how many slots there are
BACKEND_BACK_S = 8.0
TRIES = 3
LARGE_BYTES = 1 << 20
HEALTH = b"GET /health HTTP/1.1\r\nHost: check\r\n\r\n"


class Load(AnyLoad):
    """One fault a step; the service is the same one for all of them."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.profile = plan["profile"]
        self.host, self.backend_url = plan["host"], plan["backend"]
        self.timeout_s = self.profile["timeout_s"]
        self.plan = plan
        self.delay = b"%g" % self.profile["delay_s"]
        self.late_s: float = self.profile["delay_s"] + LATE_S
        self.numbers = count()
        self.free: list[Connection] = []  # kept connections that wait for a request
        self.outcomes: list[Outcome] = []
        self.in_bursts: list[Outcome] = []  # since the fault
        self.in_flight: set[gevent.Greenlet[..., None]] = set()
        self.waiting: set[float] = set()  # when each of them was sent
        self.control = Connection(self.backend_url, timeout_s=10)
        self.at_once = 0  # requests that the service has waiting at once
        self.lost: dict[str, int] = {}
        self.problems: list[str] = []

    def check(self, service: Connection) -> None:
        """Note how many slots it says it has."""
        status, body = service.exchange(b"GET /info HTTP/1.1\r\nHost: check\r\n\r\n")
        if status != 200:
            raise ValueError(f"GET /info was answered with {status}")
        self.burst = min(int(json.loads(body)["slots"]), MOST_AT_ONCE)

    def prepare(self, step: dict[str, Any]) -> None:
        """Fill the service's slots and pools once, so that what it has is what it will have."""
        self.fault: str = step["fault"]
        base.ask_backend(self.control, b"POST /reset")
        for _ in range(TRIES):
            self.at_once, burst = self._fill()
            wrong = sum(one.kind != "right" for one in burst)
            if not wrong:
                break
        else:
            raise StepFailed(f"before the fault it answers {wrong} of {self.burst} requests wrong")
        gevent.sleep(self.profile["warmup_s"])
        self.connections = int(base.backend_stats(self.control)["connections"])
        self.kept = self._kept()
        base.ask_backend(self.control, b"POST /reset")

    def begin(self) -> None:
        """Forget what was."""
        self.outcomes, self.in_bursts, self.problems, self.lost = [], [], [], {}
        self.recovery_s: float | None = None  # of one that was not seen well at the end
        self.begun = self.ended = 0.0

    def run(self, window_s: float) -> None:
        """The fault, for its time; until the service is whole, or the window over; the losses."""
        base.await_look()
        if skipped(self.fault, self.plan):
            gevent.sleep(base.OPENING_S)  # a window has a length
            return
        closing = perf_counter() + window_s
        arrivals = gevent.spawn(self._arrive, 1 / self.profile["rate_rps"])
        gevent.sleep(BEFORE_S)
        self.begun = perf_counter()
        self._disturb()
        self.ended = perf_counter()
        # It has as long to recover as the settings promise, however late the fault was over.
        is_whole = self._await_whole(max(closing, self.ended + self.timeout_s))
        seen = perf_counter()
        arrivals.kill()
        gevent.joinall(list(self.in_flight), timeout=self.timeout_s + 1)
        last = self._last_trouble()
        if is_whole and last <= seen:
            self.recovery_s = round(max(0.0, last - self.ended), 3)
        self._look_for_losses()

    def end(self) -> dict[str, Any]:
        """The requests by how they ended, and all that was not there again afterwards."""
        base.await_look()  # the next step begins with a burst
        # The fault strikes those that wait when it begins, too.
        since = [one for one in self.outcomes if one.over >= self.begun]
        during = [one for one in since if self.begun <= one.at < self.ended]
        since += [one for one in self.in_bursts if one.kind in ("wrong", "none")]
        kinds = Counter(one.kind for one in since)
        found: dict[str, Any] = {"kind": self.fault, "share": self.profile["share"]}
        if reason := skipped(self.fault, self.plan):
            found["skipped"] = reason
        else:
            found |= {
                **{kind: kinds[kind] for kind in ("right", "error", "wrong", "none")},
                "during": len(during),
                "right_during": sum(one.kind == "right" for one in during),
                "lost": self.lost,
                "seen": dict(Counter(one.said for one in since if one.kind != "right")),
            }
        failures = Counter(one.kind for one in since if one.kind != "right")
        return {
            "requests": len(since),
            "failures": failures.total(),
            "failure_kinds": dict(failures),
            "recovery_s": self.recovery_s,
            "problems": self.problems,
            "fault": found,
        }

    def _disturb(self) -> None:
        seconds = self.profile["fault_s"]
        if self.fault in BACKEND:
            asked = f"POST /fault/{self.fault}/{self._share():g}/{seconds:g}"
            if base.ask_backend(self.control, asked.encode()) != b'{"status":"ok"}':
                self.problems.append(f"the backend did not do as it was told: {asked}")
            gevent.sleep(seconds)
            base.ask_backend(self.control, b"POST /reset")
        elif self.fault in HARNESS:  # the bench does it, and undoes it
            say({"event": "disturb", "fault": self.fault})
            gevent.sleep(seconds)
            say({"event": "mend", "fault": self.fault})
            self._await_backend()
        elif self.fault in CALLERS:
            Callers(self.host, self.delay).disturb(self.fault, seconds)

    def _share(self) -> float:
        of_listener = self.fault in ("refuse", "full-backlog")
        return 1.0 if of_listener else float(self.profile["share"])

    def _await_backend(self) -> None:
        """Come back when the backend answers again."""
        self.control.close()
        late = perf_counter() + BACKEND_BACK_S
        probe = Connection(self.backend_url, timeout_s=0.5)
        while perf_counter() < late:
            with suppress(RequestFailed):
                if probe.exchange(HEALTH)[0] == 200:
                    probe.close()
                    return
            gevent.sleep(0.01)
        self.problems.append(f"the backend did not answer {BACKEND_BACK_S:g} s after the fault")

    def _arrive(self, period_s: float) -> None:
        """Send a request every `period_s`, whatever the answers do."""
        due = perf_counter()
        while True:
            sent = gevent.spawn(self._ask, self.delay)
            self.in_flight.add(sent)
            sent.link(self.in_flight.discard)
            due += period_s
            gevent.sleep(max(0.0, due - perf_counter()))

    def _ask(self, delay: bytes) -> None:
        """Send one request and note what came of it."""
        connection = self.free.pop() if self.free else Connection(self.host, self.timeout_s)
        if not connection.is_open():
            connection.close()
        request_id = b"f%x" % next(self.numbers)
        head = b"GET /?delay=%s HTTP/1.1\r\nHost: faults\r\nX-Request-ID: %s\r\n\r\n"
        at, is_large = perf_counter(), False
        self.waiting.add(at)
        try:
            status, answer = connection.exchange(head % (delay, request_id))
            right = b'{"delay":%s,"id":"%s"}' % (delay, request_id)
            kind, said = judged(status, answer, right)
            is_large = len(answer) >= LARGE_BYTES
        except RequestFailed as error:
            kind, said = "none", str(error)
        self.waiting.discard(at)
        self.outcomes.append(Outcome(at, perf_counter() - at, kind, said))
        if is_large:  # it keeps as large a buffer
            connection.close()
            connection = Connection(self.host, self.timeout_s)
        self.free.append(connection)

    def _fill(self) -> tuple[int, list[Outcome]]:
        """Ask for as much at once as there are slots: how much arrived at once; the outcomes."""
        base.ask_backend(self.control, b"POST /reset")
        before = len(self.outcomes)
        asks = [gevent.spawn(self._ask, b"%g" % BURST_DELAY_S) for _ in range(self.burst)]
        gevent.joinall(asks)
        burst, self.outcomes = self.outcomes[before:], self.outcomes[:before]
        return int(base.backend_stats(self.control)["peak_in_flight"]), burst

    def _await_whole(self, closing: float) -> bool:
        """Come back when all has gone well for a while, or the window closes: whether it has."""
        while (now := perf_counter()) < closing:
            is_late = now - min(self.waiting, default=now) > self.late_s
            if not is_late and now - max(self.ended, self._last_trouble()) >= WELL_S:
                return True
            gevent.sleep(0.02)
        return False

    def _last_trouble(self) -> float:
        """When the last request ended that arrived after the fault and did not go well."""
        after = (one for one in self.outcomes if one.at > self.ended)
        return max((one.over for one in after if one.is_trouble(self.late_s)), default=0.0)

    def _look_for_losses(self) -> None:
        """Count slots that are gone, and calls and connections that are left."""
        unanswered = 0
        for turn in range(TRIES):
            at_once, burst = self._fill()
            self.in_bursts += burst
            kinds = Counter(one.kind for one in burst)
            if turn:  # in the first one, stale connections may each fail once
                unanswered += kinds["error"]
            if kinds["right"] == len(burst) and at_once >= self.at_once:
                break
        gevent.sleep(SETTLE_S)
        stats = base.backend_stats(self.control)
        self.lost = {
            "slots": max(0, self.at_once - at_once),
            "unanswered": unanswered,
            "calls": int(stats["in_flight"]),
            "connections": max(0, int(stats["connections"]) - self.connections),
            "kept": self._kept() - self.kept,
        }

    def _kept(self) -> int:
        """The connections of ours that the service keeps open."""
        return sum(connection.is_open() for connection in self.free)
