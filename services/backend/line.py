"""One connection of the line protocol: `S id`, and the same line again after S seconds.

Lines of one connection do not wait for each other: each comes back when it is due.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from client import Client

from contract import MAX_CALL_ID, BadRequest, checked_delay

if TYPE_CHECKING:
    from app import Backend

MAX_LINE = 256

_line = re.compile(rb"([0-9.]{1,9}) [A-Za-z0-9._:-]{0,%d}\n" % MAX_CALL_ID).fullmatch


class LineConnection(Client):
    """One client; `_more` counts the calls it has in flight besides a `held` one."""

    __slots__ = ("_more",)

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._more = 0

    def data_received(self, data: bytes) -> None:
        if self.plain and not self.held:
            line = _line(data)
            known = line and self._usual.get(line[1])
            if known:
                lane = known[0]
                self._silence = 0
                self._stats.calls += 1
                if lane.at_once:
                    self._stats.answered += 1
                    self.write(data)
                else:
                    self.held = True
                    lane.hold(self, data)
                return
        if not self._closing:
            self._buffer += data
            self._work()

    def complete(self, answer: bytes, asked_s: float, due: float) -> None:
        """Send a line back that is due where others are in flight, too, or are to be read."""
        if self._more:
            self._more -= 1
        else:
            self.held = False
        self._count(asked_s, due)
        self.write(answer)
        self._work()

    def _take(self) -> bool:
        end = self._buffer.find(b"\n", 0, MAX_LINE) + 1
        if not end:
            self._closing = len(self._buffer) >= MAX_LINE
            return False
        data = bytes(self._buffer[:end])
        del self._buffer[:end]
        line = _line(data)
        try:
            text = checked_delay(line[1].decode()) if line else ""
        except BadRequest:
            text = ""
        if not text:
            self._closing = True
            return False
        self._put(data, text)
        return True

    def _put(self, data: bytes, text: str) -> None:
        """Send a line back, or hold it."""
        lane = self._backend.lane(text)
        self._silence = 0
        self._stats.calls += 1
        if lane.at_once:
            self._stats.answered += 1
            self.write(data)
            return
        if self.held:
            self._more += 1
        self.held = True
        lane.hold(self, data)

    def _in_line(self) -> int:
        return self.held + self._more

    def _calls(self) -> int:
        return self._in_line()

    def _time_out(self) -> None:
        self._transport.close()
