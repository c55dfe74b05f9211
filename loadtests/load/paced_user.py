"""Locust users whose requests are due once in a period, whatever the answers do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import count
from time import perf_counter
from typing import ClassVar

import gevent

from loadtests.load.users import GOLDEN_RATIO, RawHttpUser


class PacedUser(RawHttpUser):
    """One whose requests are due once in `period_s`, whatever the answers do.

    Response times count from when a request was due, so that a slow answer
    shows in those that had to wait for it. Users begin spread over a period, and
    the instants within the periods differ, so that the load of all is even and
    never in step with another's. `rng` draws where in its periods each is: of one seed they
    are there again. In a list of bases it comes after what it paces.
    """

    abstract = True
    period_s = 1.0
    rng: ClassVar[random.Random] = random.Random()

    def on_start(self) -> None:
        self.spread_s = self.period_s
        super().on_start()

    def starts(self) -> Iterator[float]:
        for due in self.instants(perf_counter()):
            if (wait_s := due - perf_counter()) > 0:
                gevent.sleep(wait_s)
            yield due

    def instants(self, begin: float) -> Iterator[float]:
        """When its requests are due, for one that begins at `begin`."""
        phase = self.rng.random()
        for number in count():
            yield begin + (number + (phase + number * GOLDEN_RATIO) % 1 / 2) * self.period_s
