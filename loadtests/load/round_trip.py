"""The round trip to a machine: a small request on a kept connection, and its answer.

    python -m loadtests.load.round_trip HOST PORT

prints its times in ms, as JSON. Only the standard library is needed: it also runs as `python -c`
in a container that has nothing else of this project.
"""

from __future__ import annotations

import json
import socket
import sys
import time

TIMES = 200
LONGEST_S = 3.0  # of all of them
REQUEST = b"GET /health HTTP/1.1\r\nHost: round-trip\r\n\r\n"


def times_ms(host: str, port: int) -> list[float]:
    """The times of the backend, which answers in one piece; OSError where it does not."""
    found: list[float] = []
    with socket.create_connection((host, port), 5) as server:
        server.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        started = time.perf_counter()
        while len(found) < TIMES and time.perf_counter() < started + LONGEST_S:
            begun = time.perf_counter()
            server.sendall(REQUEST)
            if not server.recv(4096).startswith(b"HTTP/1.1 200 "):  # a proxy may be between
                raise ConnectionRefusedError("what answers there is no backend of this project")
            found.append(round(1000 * (time.perf_counter() - begun), 4))
    return found


if __name__ == "__main__":
    try:
        print(json.dumps(times_ms(sys.argv[1], int(sys.argv[2]))))
    except OSError as error:
        sys.exit(str(error))
