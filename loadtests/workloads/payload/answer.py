"""The right answer of `/json`: the backend's, as every service has to rewrite it."""

from __future__ import annotations

from functools import lru_cache

from services import contract
from services.backend import payload

SETTINGS = contract.settings({})


def right_body(delay: str, request_id: str, size: int) -> bytes:
    """The whole of it."""
    return contract.json_body(SETTINGS, payload.filled(delay, request_id, size))


@lru_cache
def around_id(delay: str, size: int, letters: int) -> tuple[bytes, bytes]:
    """The parts of it before and behind an id of so many letters, one or more."""
    begin, _, end = right_body(delay, "x" * letters, size).partition(b"x" * letters)
    return begin, end
