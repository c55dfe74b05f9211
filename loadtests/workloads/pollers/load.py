"""Requests at a rate over few connections, beside a crowd of idle ones that are kept alive."""

from __future__ import annotations

from typing import Any

from loadtests.load.connection import Connection
from loadtests.load.crowd import Crowd
from loadtests.load.http_load import HttpLoad
from loadtests.load.paced_user import PacedUser
from loadtests.load.users import DelayUser


class PollingUser(DelayUser, PacedUser):
    """Waits for the backend, at a rate."""


class Load(HttpLoad):
    """The users' figures; connections of the crowd that do not last are problems."""

    user = PollingUser

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        PollingUser.rng.seed(plan["seed"])
        self.crowd: Crowd[Connection] = Crowd(lambda: _idle(plan["host"]))

    def configure(self) -> None:
        PollingUser.delay = f"{self.profile['delay_s']:g}"

    def spread_s(self, step: dict[str, Any]) -> float:
        return PollingUser.period_s

    def prepare(self, step: dict[str, Any]) -> None:
        PollingUser.period_s = step["users"] / step["rate_rps"]
        self.crowd.grow(step["idle_connections"])
        super().prepare(step)

    def end(self) -> dict[str, Any]:
        window = super().end()
        closed = sum(not connection.is_open() for connection in self.crowd.members)
        if closed:
            window["problems"].append(
                f"{closed} of {len(self.crowd.members)} idle connections were closed: "
                "the service keeps one for less time than the crowd waits"
            )
        return window


def _idle(host: str) -> Connection:
    """A connection that has been answered once and now waits for nothing."""
    connection = Connection(host, timeout_s=10)
    status, _ = connection.exchange(b"GET /health HTTP/1.1\r\nHost: idle\r\n\r\n")
    if status != 200 or not connection.is_open():
        connection.close()
        raise OSError("GET /health was not answered with 200 over a connection that stays")
    return connection
