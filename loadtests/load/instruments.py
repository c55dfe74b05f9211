"""The generator measures itself, and the backend: what `loadtests/bench/instruments.py` asks for.

A step has a `scenario` of INSTRUMENTS and a length of its own, `window_s`.
"""

from __future__ import annotations

from typing import Any

import gevent

from loadtests.load import base
from loadtests.load.connection import Connection
from loadtests.load.http_load import HttpLoad
from loadtests.load.users import OF_THE_BACKEND, DelayUser, RawHttpUser


class HurriedUser(DelayUser):
    """Asks a null server that answers at once: no service could be quicker."""

    delay = "0"


class WaitingUser(DelayUser):
    """Asks a null server that answers after exactly so long."""

    delay = "0.1"


class BackendUser(DelayUser):
    """Asks the backend itself."""

    route = OF_THE_BACKEND
    delay = "0.1"


INSTRUMENTS: dict[str, type[RawHttpUser]] = {
    "ceiling": HurriedUser,
    "added": WaitingUser,
    "backend": BackendUser,
}


class Load(HttpLoad):
    """The users of one instrument after those of another."""

    user: type[RawHttpUser] = HurriedUser
    others = (WaitingUser, BackendUser)

    def __init__(self, plan: dict[str, Any]) -> None:
        super().__init__(plan)
        BackendUser.host = plan["backend"]
        self.backend = Connection(plan["backend"], timeout_s=10)
        self.window_s = 0.0

    def configure(self) -> None:
        """Nothing depends on the profile."""

    def spread_s(self, step: dict[str, Any]) -> float:
        return 0.1

    def prepare(self, step: dict[str, Any]) -> None:
        self.window_s = step["window_s"]
        user = INSTRUMENTS[step["scenario"]]
        if user is not self.user:
            name = self.user.__name__
            self.runner.stop_users({name: self.runner.user_classes_count[name]})
        self.user = user
        super().prepare(step)

    def begin(self) -> None:
        base.ask_backend(self.backend, b"POST /reset")
        super().begin()

    def run(self, window_s: float) -> None:
        gevent.sleep(self.window_s)

    def end(self) -> dict[str, Any]:
        window = super().end()
        stats = base.backend_stats(self.backend)
        return {**window, "late_p50_ms": stats["late_ms_p50"], "late_p99_ms": stats["late_ms_p99"]}
