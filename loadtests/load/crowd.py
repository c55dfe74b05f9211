"""Many connections, opened some at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

from gevent.pool import Pool

from loadtests.load.base import StepFailed, tidy
from loadtests.load.failure import RequestFailed

AT_ONCE = 50


class Closable(Protocol):
    """One connection of a crowd."""

    def close(self) -> None:
        """Close it."""


Member = TypeVar("Member", bound=Closable)


class Crowd(Generic[Member]):
    """Connections that `opened` makes; OSError or RequestFailed where one cannot be had."""

    def __init__(self, opened: Callable[[], Member]) -> None:
        self.members: list[Member] = []
        self._opened = opened
        self._refused = ""

    def grow(self, wanted: int) -> None:
        """Bring them up to `wanted`; StepFailed, and none left, where that is impossible."""
        self._refused = ""
        pool = Pool(AT_ONCE)
        for _ in range(wanted - len(self.members)):
            pool.spawn(self._add)
            if self._refused:
                break
        pool.join()
        if self._refused:
            held = len(self.members)
            self.clear()
            raise StepFailed(f"only {held} of {wanted} connections could be held: {self._refused}")
        tidy()

    def clear(self) -> None:
        """Close all of them."""
        for member in self.members:
            member.close()
        self.members.clear()

    def _add(self) -> None:
        if self._refused:  # all others would wait for the same
            return
        try:
            self.members.append(self._opened())
        except (OSError, RequestFailed) as error:
            self._refused = str(error)
