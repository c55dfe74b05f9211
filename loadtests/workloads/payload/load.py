"""Users that ask for JSON of a size: `/json?delay=…&size=…`."""

from __future__ import annotations

from typing import Any

from loadtests.load.base import expect
from loadtests.load.connection import Connection
from loadtests.load.http_load import HttpLoad
from loadtests.load.users import DelayUser
from loadtests.workloads.payload.answer import around_id, right_body

ANY_SIZE = b"any"  # in the path of all requests, in the place of their size


class PayloadUser(DelayUser):
    """Checks every byte. The `size` of the class is what the next requests ask for."""

    size = 0

    def on_start(self) -> None:
        self.asked_size = self.size
        super().on_start()

    @classmethod
    def path(cls) -> bytes:
        return b"/json?delay=%b&size=%b" % (cls.delay.encode(), ANY_SIZE)

    def message(self, head: bytes, request_id: bytes) -> bytes:
        self.asked_size = self.size
        return super().message(head.replace(ANY_SIZE, b"%d" % self.size), request_id)

    def is_right(self, body: bytes | bytearray, request_id: bytes) -> bool:
        begin, end = around_id(self.delay, self.asked_size, len(request_id))
        return body == begin + request_id + end


class Load(HttpLoad):
    """Closed users, who ask for more from step to step."""

    user = PayloadUser

    def configure(self) -> None:
        PayloadUser.delay = f"{self.profile['delay_s']:g}"

    def check(self, service: Connection) -> None:
        for size in self.profile["sizes"]:
            body = right_body("0.01", "check", size)
            expect(service, f"/json?delay=0.01&size={size}", body)

    def prepare(self, step: dict[str, Any]) -> None:
        PayloadUser.size = step["size"]
        super().prepare(step)
