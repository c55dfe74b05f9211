"""Users that wait for the backend, over delays and numbers of users: `/?delay=…`."""

from __future__ import annotations

from typing import Any

from loadtests.load.http_load import HttpLoad
from loadtests.load.users import DelayUser


class Load(HttpLoad):
    """Closed users; all steps of a generator have the same delay, as a service is started anew."""

    user = DelayUser

    def __init__(self, plan: dict[str, Any]) -> None:
        (delay_s,) = {step["delay_s"] for step in plan["steps"]}
        DelayUser.delay = f"{delay_s:g}"
        super().__init__(plan)

    def configure(self) -> None:
        """The delay is not the profile's."""

    def spread_s(self, step: dict[str, Any]) -> float:
        delay_s: float = step["delay_s"]
        return delay_s
