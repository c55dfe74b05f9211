"""The test that the web UI's pages start, change and stop; they have one between them."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

import gevent
from locust.env import Environment
from locust.rpc.protocol import Message
from locust.runners import STATE_INIT, STATE_STOPPED, MasterRunner

from loadtests.live import reports
from loadtests.live.figures import Figures
from loadtests.live.users import Kinds
from loadtests.load import burn
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed
from loadtests.workloads import faults

START_S = 300.0  # for a service that is not up yet, and may have to be installed
STOP_S = 30.0
CONNECT_S = 30.0
TURN_S = 15.0
MOST_A_SECOND = 100  # users started: of more Locust warns
BURST_S = 1.0
MARKS = 20
MOST_NAMED = 4


class Refused(Exception):
    """A thing that cannot be done as asked; the text says why, for whoever asked."""


class Session:
    """Locust's runner, the services it may load, and what is known of them."""

    def __init__(self, environment: Environment, kinds: Kinds, backend_url: str) -> None:
        self.environment = environment
        self.kinds = kinds
        self.backend_url = backend_url
        self.figures = Figures()
        self.chosen: list[str] = []
        self.wanted: list[str] = []  # to be up: whoever keeps the services asks for it
        self.up: set[str] | None = None  # None where nobody keeps them: all are
        self.failed: dict[str, str] = {}
        self.about: dict[str, dict[str, Any]] = {}
        self.users, self.rate_rps, self.in_turn = 0, 0.0, False
        self.marks: deque[tuple[float, str]] = deque(maxlen=MARKS)
        self._turns: gevent.Greenlet[..., None] | None = None
        assert environment.runner is not None
        self.runner = environment.runner
        self.runner.register_message(reports.MESSAGE, self._take_reports)
        options = environment.parsed_options
        assert options is not None
        self.choose(options.service)

    @property
    def running(self) -> bool:
        """Whether a test is."""
        return self.runner.state not in (STATE_INIT, STATE_STOPPED)

    def choose(self, names: list[str]) -> None:
        """Have the next test load these services; Refused for one that does not exist."""
        unknown = [name for name in names if name not in self.kinds]
        if unknown or not names:
            raise Refused(f"no service {unknown[0]!r}" if unknown else "choose a service")
        chosen = list(dict.fromkeys(names))
        self.chosen = chosen
        self._load(chosen)

    def bring_up(self, names: list[str]) -> None:
        """Wait until the services are up; Refused where one does not start."""
        self.wanted = list(dict.fromkeys([*self.wanted, *names]))
        for name in names:
            self.failed.pop(name, None)
        deadline = time.monotonic() + START_S
        while self.up is not None and not self.up.issuperset(names):
            for name in names:
                if name in self.failed:
                    raise Refused(self.failed[name])
            if time.monotonic() > deadline:
                raise Refused(f"{', '.join(names)} not up within {START_S:g} s")
            gevent.sleep(0.05)

    def prepare(self, names: list[str], rate_rps: float, in_turn: bool = False) -> None:
        """End the test, and have these services up for the next; Refused as by what it calls."""
        self.stop()
        self.choose(names)
        self.bring_up(names)
        self.rate_rps, self.in_turn = rate_rps, in_turn

    def start(
        self, names: list[str], users: int, delay: str, rate: str = "", in_turn: bool = False
    ) -> None:
        """Load services at once or in turn; Refused where that is impossible.

        Each has so many users, or one that is a stream of arrivals at `rate` a second.
        """
        self._await_a_worker()
        self.prepare(names, float(rate or 0), in_turn)
        self.users = 1 if self.rate_rps else users
        vars(self.environment.parsed_options).update(
            service=self.chosen,
            delay=delay,
            rate=rate,
            arrivals="poisson",
            num_users=self.users * len(self.chosen),
        )
        if in_turn:
            self._turns = gevent.spawn(self._take_turns)
        else:
            self._begin()

    def more(self, users: int) -> None:
        """Give each service more users; of a rate, one more stream of it. Refused without a test.

        Where they take turns, those that come later have as many.
        """
        if not self.running:
            raise Refused("no test runs")
        self.users += 1 if self.rate_rps else users
        self._begin()

    def stop(self) -> None:
        """End the test, and see its users stopped; Refused where they do not."""
        self.end_turns()
        self._stop_users()

    def end_turns(self) -> None:
        """Have no other service take its turn after this one."""
        if self._turns is not None:
            self._turns.kill()
            self._turns = None

    def freeze(self, seconds: float) -> None:
        """Have the backend answer nothing for so long; Refused where it does not do it."""
        self._disturb(f"/stall/{seconds:g}", "backend frozen")

    def fault(self, kind: str, seconds: float) -> None:
        """Have all calls meet a fault of the backend for so long; Refused as above."""
        if kind not in faults.BACKEND:
            raise Refused(f"no fault {kind!r}")
        self._disturb(f"/fault/{kind}/1/{seconds:g}", f"backend: {kind}")

    def block(self) -> None:
        """Have each loaded service compute for a second; Refused without a test."""
        if not self.running:
            raise Refused("no test runs")
        self._mark("loop blocked")
        heavy = burn.bursts(burn.cycles_in(BURST_S))
        for name in self.loaded():
            for cycles in heavy:
                ask = b"GET /cpu?cycles=%d HTTP/1.1\r\nHost: live\r\n\r\n" % cycles
                gevent.spawn(_asked, self.kinds[name].url, ask)

    def loaded(self) -> list[str]:
        """The services that the test loads now: one where they take turns."""
        if not self.running:
            return []
        return [kind.__name__ for kind in self.environment.user_classes]

    def address(self, name: str) -> str:
        """A service as Locust's field Host shows it."""
        return f"{name} {self.kinds[name].url}"

    def host(self, names: list[str]) -> str:
        """Services as that field shows them, which has one line: `locust.js` does the same."""
        if len(names) == 1:
            return self.address(names[0])
        return ", ".join(names) if len(names) <= MOST_NAMED else f"{len(names)} services"

    def _await_a_worker(self) -> None:
        deadline = time.monotonic() + CONNECT_S
        while isinstance(self.runner, MasterRunner) and not self.runner.worker_count:
            if time.monotonic() > deadline:
                raise Refused("no process that makes load has connected: locust --worker")
            gevent.sleep(0.05)

    def _load(self, names: list[str]) -> None:
        """Have Locust start users of these services only."""
        self.environment.user_classes = [self.kinds[name] for name in names]
        # For Locust's page and report: the users go by the URL of their class.
        self.environment.host = self.host(names)

    def _begin(self) -> None:
        many = self.users * len(self.environment.user_classes)
        gevent.spawn(self.runner.start, many, min(many, MOST_A_SECOND))

    def _stop_users(self) -> None:
        if self.running:
            self.runner.stop()
        deadline = time.monotonic() + STOP_S
        while self.running:
            if time.monotonic() > deadline:
                raise Refused(f"the last test did not stop within {STOP_S:g} s")
            gevent.sleep(0.02)

    def _take_turns(self) -> None:
        """One test after the other, each of one service, until this is killed."""
        while True:
            for name in self.chosen:
                self._load([name])
                self._begin()
                gevent.sleep(TURN_S)
                self._stop_users()

    def _disturb(self, path: str, mark: str) -> None:
        if not self.backend_url:
            raise Refused("the backend's address is not known: set BACKEND_URL")
        self._mark(mark)
        ask = f"POST {path} HTTP/1.1\r\nHost: live\r\nContent-Length: 0\r\n\r\n"
        if failure := _asked(self.backend_url, ask.encode()):
            raise Refused(f"the backend did not do it: {failure}")

    def _mark(self, text: str) -> None:
        self.marks.append((time.monotonic(), text))

    def _take_reports(self, msg: Message, **_: Any) -> None:
        self.figures.add(msg.node_id, msg.data)


def _asked(url: str, request: bytes) -> str:
    """Send one request on a connection of its own; the reason where it is not answered with 200."""
    connection = Connection(url, timeout_s=30)
    try:
        status, _ = connection.exchange(request)
    except RequestFailed as error:
        return str(error)
    finally:
        connection.close()
    return "" if status == 200 else str(status)
