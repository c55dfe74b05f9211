"""Granian for `app.py`, told what CONTRACT.md lets the environment decide."""

import os
import socket
import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

import contract

SETTINGS = contract.settings(os.environ)


def main() -> None:
    try:
        # Granian would share the port with another Granian, and needs fifty lines to refuse.
        socket.create_server((SETTINGS.host, SETTINGS.port)).close()
    except OSError as error:
        sys.exit(f"cannot listen on {SETTINGS.host}:{SETTINGS.port}: {error.strerror}")
    Granian(
        "app:app",
        interface=Interfaces.WSGI,
        address=SETTINGS.host,
        port=SETTINGS.port,
        workers=SETTINGS.workers,
        blocking_threads=SETTINGS.concurrency,
        backlog=4096,  # as many as may connect in one instant (the default is 1024)
        # Connections, not requests: kept-alive ones count, and those above it are not answered.
        backpressure=20_000,
        http=HTTPModes.http1,
        websockets=False,
        workers_kill_timeout=30,  # seconds for what is in flight at SIGTERM
        log_level=LogLevels.error,  # it warns of more threads than cores, which is the point here
        log_access=False,
    ).serve()


if __name__ == "__main__":
    main()
