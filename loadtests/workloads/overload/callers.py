"""Callers that do not wait for ever: a connection that each leaves when its time is up."""

from __future__ import annotations

import random
from time import perf_counter
from typing import ClassVar

import gevent

from loadtests.load.failure import RequestFailed
from loadtests.load.open_user import IDLE_S, Worker
from loadtests.workloads.open_rate.load import ArrivalUser


class Caller(Worker):
    """A connection, and the caller that uses it now: one that does not wait for ever."""

    user: CallerUser

    def _work(self, due: float, head: bytes) -> None:
        connection, hub = self.connection, gevent.get_hub()
        try:
            while True:
                if perf_counter() - self.ended > IDLE_S and not connection.is_open():
                    connection.close()
                request = self._request(due, head)
                length, failure = self._ask(request)
                self._note(perf_counter(), failure, length)
                due, head = hub.switch()
        finally:
            connection.close()

    def _ask(self, request: bytes) -> tuple[int, RequestFailed | None]:
        """The length of the answer to one of the attempts, or the failure of the last one."""
        user, failure = self.user, None
        for number in range(user.attempts):
            if number and user.backoff_s:
                gevent.sleep(user.pauses.uniform(0, user.backoff_s * 2 ** (number - 1)))
            user.attempted.append(perf_counter())
            late = RequestFailed("timeout", f"no answer within {user.give_up_s:g} s")
            try:
                # It ends the exchange, which closes its connection.
                with gevent.Timeout(user.give_up_s, late):
                    status, body = self.connection.exchange(request)
            except RequestFailed as error:
                failure = error
                continue
            failure = user.wrong(status, body, self.id)
            if failure is None:
                return len(body), None
        return 0, failure


class CallerUser(ArrivalUser):
    """A stream of callers, each with one request and a deadline for it.

    A caller without its answer after `give_up_s` closes the connection. Of several `attempts` the
    next one follows at once, or after a random part of `backoff_s`, twice as much each time. A
    request that failed otherwise is repeated as well.
    """

    worker: ClassVar[type[Worker]] = Caller
    give_up_s: ClassVar[float] = 1.0
    attempts: ClassVar[int] = 1
    backoff_s: ClassVar[float] = 0.0
    attempted: ClassVar[list[float]] = []  # when each attempt began, on perf_counter's clock
    pauses: ClassVar[random.Random] = random.Random()
