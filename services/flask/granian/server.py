"""Granian, told what CONTRACT.md lets the environment decide."""

from pathlib import Path

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.log import LogLevels

import start
from start import SETTINGS

if __name__ == "__main__":
    start.check_threads()
    start.listen().close()  # Granian would share the port with another one
    Granian(
        "wsgi:application",
        interface=Interfaces.WSGI,
        address=SETTINGS.host,
        port=SETTINGS.port,
        workers=SETTINGS.workers,
        blocking_threads=SETTINGS.concurrency,
        backlog=start.BACKLOG,
        # Connections, not requests: kept-alive ones count, and those above it are not answered.
        backpressure=20_000,
        http=HTTPModes.http1,
        websockets=False,
        ssl_cert=start.CERTIFICATE and Path(start.CERTIFICATE),
        ssl_key=start.KEY and Path(start.KEY),
        workers_kill_timeout=start.DRAIN_S,
        log_level=LogLevels.error,  # it warns of more threads than cores, which is the point here
    ).serve()
