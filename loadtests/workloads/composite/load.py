"""Users that ask for a page put together from parts: `/composite?delay=…&cycles=…`."""

from __future__ import annotations

from typing import Any

from loadtests.load.base import expect
from loadtests.load.connection import Connection
from loadtests.load.http_load import HttpLoad
from loadtests.load.users import RawHttpUser
from loadtests.workloads.composite import KIND

CALLS, WAITS = KIND.calls, KIND.waits
_ids = b",".join(b'"%%b.%d"' % number for number in range(1, CALLS + 1))


class CompositeUser(RawHttpUser):
    """Checks that the body proves all calls, each with its own id."""

    delay = "0.1"
    cycles = 0

    def on_start(self) -> None:
        self.spread_s = WAITS * float(self.delay)
        begin = f'{{"delay":{self.delay},"cycles":{self.cycles},"ids":['
        self.body = begin.encode() + _ids + b"]}"
        super().on_start()

    @classmethod
    def path(cls) -> bytes:
        return b"/composite?delay=%b&cycles=%d" % (cls.delay.encode(), cls.cycles)

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        return body == self.body % ((request_id,) * CALLS)


class Load(HttpLoad):
    """Closed users."""

    user = CompositeUser

    def configure(self) -> None:
        CompositeUser.delay = f"{self.profile['delay_s']:g}"
        CompositeUser.cycles = self.profile["cycles"]

    def check(self, service: Connection) -> None:
        ids = _ids % ((b"check",) * CALLS)
        body = b'{"delay":0.01,"cycles":10,"ids":[%b]}' % ids
        expect(service, "/composite?delay=0.01&cycles=10", body)

    def spread_s(self, step: dict[str, Any]) -> float:
        return WAITS * super().spread_s(step)
