"""Locust users whose requests have each a delay of its own: `/?delay=…`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import ClassVar

from loadtests.load.open_user import OpenUser
from loadtests.load.users import DelayUser

DRAWN = b"drawn"  # in the path, where each request has its delay


class DrawnUser(DelayUser, OpenUser):
    """Each request has the next delay of `drawn`, as it is written.

    A delay belongs to an arrival, sent or not: so the n-th is the same for every service. It ends
    the request's id, by which the answer is checked.
    """

    abstract = True
    drawn: ClassVar[Iterator[bytes]] = iter(())

    def on_start(self) -> None:
        super().on_start()
        self.before, _, self.after = self.beginning.partition(DRAWN)

    @classmethod
    def path(cls) -> bytes:
        return cls.route + DRAWN

    def next_head(self) -> bytes:
        """Only what differs, the delay."""
        return next(self.drawn)

    def next_id(self, head: bytes) -> bytes:
        return super().next_id(head) + b"-" + head

    def message(self, head: bytes, request_id: bytes) -> bytes:
        return super().message(self.before + head + self.after, request_id)

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        delay = request_id.rpartition(b"-")[2]
        return body == b'{"delay":%s,"id":"%s"}' % (delay, request_id)

    @classmethod
    def own(cls, delays_s: Iterator[float]) -> Iterator[bytes]:
        """The delays that this process sends: no two of those that share the load send the same."""
        return (b"%.3f" % delay_s for delay_s in islice(delays_s, cls.process, None, cls.processes))
