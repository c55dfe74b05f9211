"""How every command ends: its exit status, and the two errors that are its user's business.

| status | |
| --- | --- |
| 0 | done |
| 1 | what was asked for failed: invalid points, a service that died, worse than allowed |
| 2 | cannot be run as asked: nothing was started, one line on stderr says what to do |
| 130 | ended by Ctrl-C, SIGTERM or the terminal's end; what was finished is kept |
"""

from __future__ import annotations

import errno
from collections.abc import Iterable
from difflib import get_close_matches

DONE, FAILED, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
# The machine has no more of it, or does not allow it: no fault in the program.
REFUSALS = {
    *(errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM),
    *(errno.EAGAIN, errno.ENOMEM, errno.EMFILE, errno.ENFILE),
}


class UsageError(ValueError):
    """A thing that cannot be run as asked; the text says what to do."""


class Failure(RuntimeError):
    """A command has failed; `log_tail` is the end of what a program wrote, if one did."""

    def __init__(self, message: str, log_tail: str = "") -> None:
        super().__init__(message)
        self.log_tail = log_tail


def meant(wanted: str, known: Iterable[str]) -> str:
    """A question for the end of an error: the known name that is nearest, if any is near."""
    near = get_close_matches(wanted, list(known), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def refusal(error: OSError | RuntimeError) -> str:
    """A line for what this machine refuses; empty where the error is of another kind."""
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return f"{named}{error.strerror}" if error.errno in REFUSALS else ""
    return f"{error}: raise `ulimit -u`" if "start new thread" in str(error) else ""
