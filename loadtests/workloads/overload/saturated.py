"""The capacity of a service in a few seconds: what it answers to as many users as it takes.

Each user sends its next request when the last one is answered. Their number is doubled as long as
they, and not the service, set the rate: the users ÷ the delay.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from time import perf_counter

import gevent

from loadtests.load.base import StepFailed
from loadtests.load.connection import Connection
from loadtests.load.failure import RequestFailed

FIRST_USERS, MOST_USERS = 200, 3200
REACHED = 0.9  # of users ÷ delay: then more users may be answered more
SETTLE_S, MEASURED_S = 0.6, 2.0
CONNECT_S = 0.001  # each
TIMEOUT_S = 10.0
PAUSE_S = 0.1  # after a failure: a refused connection takes no time


@dataclass(frozen=True)
class Capacity:
    """The most requests/s that were answered, and the most users that asked for them at once.

    Where `is_bound` those users, and not the service, set the rate.
    """

    rps: float
    users: int
    is_bound: bool = False


class Users:
    """Closed users of one service: each waits for `delay_s` and asks again."""

    _numbers = count()

    def __init__(self, host: str, delay_s: float) -> None:
        self.host, self.delay_s = host, delay_s
        self.answered = 0
        self.greenlets: list[gevent.Greenlet[..., None]] = []

    def grow(self, number: int) -> None:
        """Have so many, the new ones begin spread over a delay."""
        new = number - len(self.greenlets)
        for place in range(new):
            later_s = place * max(CONNECT_S, self.delay_s / new)
            self.greenlets.append(gevent.spawn_later(later_s, self._ask_on))
        gevent.sleep(new * max(CONNECT_S, self.delay_s / new) + SETTLE_S)

    def measure(self) -> float:
        """Right answers a second."""
        before, begun = self.answered, perf_counter()
        gevent.sleep(MEASURED_S)
        return (self.answered - before) / (perf_counter() - begun)

    def leave(self) -> None:
        """Close all connections, whatever is in flight on them."""
        gevent.killall(self.greenlets)

    def _ask_on(self) -> None:
        connection = Connection(self.host, TIMEOUT_S)
        delay, host = b"%g" % self.delay_s, connection.address.header.encode()
        head = b"GET /?delay=%s HTTP/1.1\r\nHost: %s\r\nX-Request-ID: " % (delay, host)
        try:
            while True:
                request_id = b"full-%x" % next(self._numbers)
                try:
                    status, body = connection.exchange(b"%s%s\r\n\r\n" % (head, request_id))
                except RequestFailed:
                    gevent.sleep(PAUSE_S)
                    continue
                right = b'{"delay":%s,"id":"%s"}' % (delay, request_id)
                self.answered += (status, body) == (200, right)
        finally:
            connection.close()


def capacity(host: str, delay_s: float) -> Capacity:
    """The most that a service answers; StepFailed where that is nothing."""
    users, number, most_rps = Users(host, delay_s), FIRST_USERS, 0.0
    try:
        while True:
            users.grow(number)
            rps = users.measure()
            most_rps, is_bound = max(most_rps, rps), rps >= REACHED * number / delay_s
            if not is_bound or 2 * number > MOST_USERS:
                break
            number *= 2
    finally:
        users.leave()
    if not most_rps:
        raise StepFailed(f"no request of {number} users was answered: there is no capacity")
    return Capacity(most_rps, number, is_bound)
