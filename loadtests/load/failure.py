"""Requests without their answers."""

from __future__ import annotations

import errno

# Resources that this side of a connection has run out of.
EXHAUSTED = {
    errno.EADDRNOTAVAIL: "ports",
    errno.EMFILE: "descriptors",
    errno.ENFILE: "descriptors",
}


def as_text(answer: bytes | bytearray, most: int = 200) -> str:
    """The beginning of an answer for a message: in quotes, and of one line."""
    return repr(bytes(answer[:most]).decode(errors="replace"))


class RequestFailed(Exception):
    """A request without its answer.

    `kind` is `refused`, `reset`, `timeout`, `bad status` or `wrong body`; where this side
    had none left `ports` or `descriptors`; of an open workload also `dropped`, for one that
    was never sent.
    """

    def __init__(self, kind: str, detail: str = "") -> None:
        super().__init__(f"{kind}: {detail}" if detail else kind)
        self.kind = kind
