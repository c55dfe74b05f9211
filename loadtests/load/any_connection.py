"""A connection to a server that may answer in every way that HTTP/1.x has.

Those of the contract answer with a Content-Length or in chunks; `Connection` reads nothing else.
"""

from __future__ import annotations

from typing import ClassVar

from loadtests.load.connection import (
    Body,
    Connection,
    _chunked,
    _close,
    _content_length,
    _status_line,
)
from loadtests.load.failure import RequestFailed, as_text

CHUNKED, UNTIL_CLOSED = -1, -2  # in the place of a body's length
WITHOUT_BODY = (204, 304)
SWITCHED = 101


class AnyConnection(Connection):
    """One for requests of `method`."""

    _heads: ClassVar[dict[bytes, tuple[int, int, bool]]] = {}

    def __init__(self, url: str, timeout_s: float, method: str = "GET") -> None:
        super().__init__(url, timeout_s)
        self._is_head = method == "HEAD"

    def _answer(self, data: bytes) -> tuple[int, Body]:
        while True:
            while (end := data.find(b"\r\n\r\n")) < 0:
                data += self._receive(data)
            status, length, keep_alive = self._parse(data[: end + 2])
            data = data[end + 4 :]
            if status >= 200 or status == SWITCHED:
                break
        body = self._body(data, length)
        if not keep_alive:
            self.close()
        return status, body

    def _body(self, data: bytes, length: int) -> Body:
        if length == CHUNKED:
            return self._chunks(data)
        if length == UNTIL_CLOSED:
            return self._rest(data)
        if len(data) > length:
            raise RequestFailed("wrong body", "longer than its Content-Length")
        return data if len(data) == length else self._whole(data, length)

    def _rest(self, data: bytes) -> bytes:
        """The body of an answer that ends with its connection."""
        parts = [data]
        while True:
            try:
                parts.append(self._receive(b"head"))
            except RequestFailed as error:
                if error.kind != "reset":
                    raise
                return b"".join(parts)

    def _parse(self, head: bytes) -> tuple[int, int, bool]:
        """Status, the body's length and whether the connection stays open, of a head."""
        kept = head + b"HEAD" if self._is_head else head  # they mean another thing there
        known = self._heads.get(kept)
        if known:
            return known
        line = _status_line(head)
        if not line:
            raise RequestFailed("bad status", f"not an answer we can read: {as_text(head, 80)}")
        status, keep_alive, length = int(line[1]), not _close(head), UNTIL_CLOSED
        if self._is_head or status < 200 or status in WITHOUT_BODY:
            length = 0
        elif _chunked(head):
            length = CHUNKED
        elif found := _content_length(head):
            length = int(found[1])
        if len(self._heads) > 1000:
            self._heads.clear()
        self._heads[kept] = status, length, keep_alive and length != UNTIL_CLOSED
        return self._heads[kept]
