"""Standard output and error as every command has them: no reader and no locale ends it."""

from __future__ import annotations

import io
import os
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from rich.console import Console

FILE_WIDTH = 160  # where no terminal says how wide it is


class _Lasting(io.FileIO):
    """A stream whose reader may go, as `head` does: what is written from then on is lost."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data) or 0
        except BrokenPipeError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            return len(data)


def prepare() -> None:
    """Let both streams outlast their readers, and write `?` for what their encoding lacks."""
    sys.stdout = _lasting(sys.stdout)
    sys.stderr = _lasting(sys.stderr)


def console() -> Console:
    """For what is more than lines: as wide as the terminal, and in a file as wide as it needs."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else FILE_WIDTH, highlight=False)


def _lasting(stream: TextIO) -> TextIO:
    stream.flush()
    raw = _Lasting(stream.fileno(), "w", closefd=False)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        errors="replace",
        line_buffering=stream.isatty() or stream is sys.stderr,
    )
