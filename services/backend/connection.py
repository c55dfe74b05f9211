"""One HTTP connection: a fast path for the usual request, and a strict one for all others."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from time import monotonic
from typing import TYPE_CHECKING

from client import Client
from delays import Lane
from message import Refused, respond, take, usual_request

from contract import error_body

if TYPE_CHECKING:
    from app import Backend


class Slot:
    """An answer in the line of a connection whose client did not wait for the one before."""

    __slots__ = ("answer", "asked_s", "due", "is_call", "ready")

    def __init__(self, answer: bytes, lane: Lane | None) -> None:
        self.answer = answer
        self.is_call = lane is not None
        self.asked_s = lane.seconds if lane else 0.0
        self.due = monotonic() + self.asked_s
        self.ready = lane is None or lane.at_once


class Connection(Client):
    """One client; where it does not wait for its answers, `_line` has those that follow."""

    __slots__ = ("_line", "_skip")

    def __init__(self, backend: Backend) -> None:
        super().__init__(backend)
        self._line: deque[Slot] = deque()
        self._skip = 0  # bytes of a request's body still to come

    def data_received(self, data: bytes) -> None:
        if self.plain and not self.held:
            request = usual_request(data)
            if request:
                text, before, after = request.groups(b"")
                known = self._usual.get(text)
                if known:
                    lane, heads = known
                    self._silence = 0
                    self._stats.calls += 1
                    request_id = before or after
                    answer = heads[len(request_id)] + request_id + b'"}'
                    if lane.at_once:
                        self._stats.answered += 1
                        self.write(answer)
                    else:
                        self.held = True
                        lane.hold(self, answer)
                    return
        if not self._closing:
            self._buffer += data
            self._work()

    def complete(self, answer: bytes | Slot, asked_s: float, due: float) -> None:
        """Send a held call's answer as soon as those before it are sent."""
        if isinstance(answer, Slot):
            answer.ready = True
        else:
            self.held = False
            self._count(asked_s, due)
            self.write(answer)
        while self._line and self._line[0].ready and not self.held:
            slot = self._line.popleft()
            if slot.is_call:
                self._count(slot.asked_s, slot.due)
            self.write(slot.answer)
        self._work()

    def _take(self) -> bool:
        if self._skip:
            skipped = min(self._skip, len(self._buffer))
            del self._buffer[:skipped]
            self._skip -= skipped
            return True
        try:
            request = take(self._buffer)
        except Refused as refusal:
            self._refuse(refusal.status, refusal.text)
            return False
        if request is None:
            return False
        if self._backend.draining:
            request = replace(request, keep_alive=False)
        self._silence = 0
        self._skip = request.body_bytes
        self._closing = not request.keep_alive
        self._put(*self._backend.reply(request))
        return True

    def _in_line(self) -> int:
        return self.held + len(self._line)

    def _calls(self) -> int:
        return self.held + sum(slot.is_call for slot in self._line)

    def _unfinished(self) -> bool:
        return bool(self._buffer or self._skip)

    def _time_out(self) -> None:
        self._refuse(408, "request not finished in time")
        self._settle()

    def _refuse(self, status: int, text: str) -> None:
        self._closing = True
        self._put(respond(status, error_body(text), None), None)

    def _put(self, answer: bytes, lane: Lane | None) -> None:
        """Send an answer, hold it, or put it in line."""
        if lane:
            self._stats.calls += 1
        if self.held or self._line:
            slot = Slot(answer, lane)
            self._line.append(slot)
            if lane and not slot.ready:
                lane.hold(self, slot)
        elif lane and not lane.at_once:
            self.held = True
            lane.hold(self, answer)
        else:
            if lane:
                self._stats.answered += 1
            self.write(answer)

    def _abandon(self) -> None:
        super()._abandon()
        self._line.clear()
