"""Users that send one request of the reader's, again and again: the load of `waits try`."""

from __future__ import annotations

from typing import Any

from loadtests.load.http_load import HttpLoad
from loadtests.load.users import RawHttpUser


class OwnUser(RawHttpUser):
    """A closed user: its next request is sent when the last one is answered."""

    @classmethod
    def path(cls) -> bytes:
        assert cls.asked
        return cls.asked.target.encode()


class Load(HttpLoad):
    """As many users as a step says; they begin spread over the time that a first answer took."""

    user = OwnUser

    def __init__(self, plan: dict[str, Any]) -> None:
        self.first_s = 0.0
        super().__init__(plan)

    def configure(self) -> None:
        OwnUser.timeout_s = self.profile["timeout_s"]

    def spread(self, over_s: float) -> None:
        """Have users begin spread over so long: what a first answer took."""
        self.first_s = OwnUser.spread_s = over_s

    def spread_s(self, step: dict[str, Any]) -> float:
        return self.first_s
