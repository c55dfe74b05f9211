"""How a command ends by a signal."""

from __future__ import annotations

import signal


def end_as_on_ctrl_c() -> None:
    """Take SIGTERM, and the terminal's end, for Ctrl-C: KeyboardInterrupt, once.

    More of them change nothing: what was started is being stopped by then.
    """
    numbers = [signal.SIGINT, signal.SIGTERM]  # a shell leaves SIGINT ignored behind `&`
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
        numbers.append(signal.SIGHUP)

    def interrupt(*_: object) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in numbers:
        signal.signal(number, interrupt)
