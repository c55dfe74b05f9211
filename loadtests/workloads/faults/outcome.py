"""One request while something goes wrong, and how its answer is judged."""

from __future__ import annotations

import json
from dataclasses import dataclass

HUGE_BYTES = 100_000_000  # of the backend's fault huge-body


@dataclass(frozen=True)
class Outcome:
    """A request that was sent `at`, on perf_counter's clock, and over `took_s` later.

    `kind` is `right`; `error` for a 502 or 504 as CONTRACT.md has them; `wrong` for any other
    answer; or `none`. `said` are a few words on what came.
    """

    at: float
    took_s: float
    kind: str
    said: str

    @property
    def over(self) -> float:
        """When it was over, on the same clock."""
        return self.at + self.took_s

    def is_trouble(self, late_s: float) -> bool:
        """True unless it got its right answer within so many seconds."""
        return self.kind != "right" or self.took_s > late_s


def judged(status: int, body: bytes | bytearray, right: bytes) -> tuple[str, str]:
    """The `kind` and `said` of an answer, where `right` is the body that the backend gives."""
    if status == 200:
        if body == right or _is_huge(body, right):
            return "right", "200"
        return "wrong", f"200 {bytes(body[:60])!r}"
    if status in (502, 504) and _is_error(body):
        return "error", str(status)
    return "wrong", f"{status} {bytes(body[:60])!r}"


def _is_huge(body: bytes | bytearray, right: bytes) -> bool:
    """The same JSON, with spaces before its end that make it as large as the fault says."""
    begins = right[:-1]
    if len(body) != HUGE_BYTES or not body.startswith(begins) or body[-1:] != b"}":
        return False
    return bool(body[len(begins) : -1].isspace())


def _is_error(body: bytes | bytearray) -> bool:
    try:
        found = json.loads(bytes(body))
    except ValueError:
        return False
    return isinstance(found, dict) and isinstance(found.get("error"), str)
