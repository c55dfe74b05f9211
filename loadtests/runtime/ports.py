"""TCP ports of this machine, for servers that listen there in a moment."""

from __future__ import annotations

import secrets
import socket
from collections import deque
from itertools import chain

# Below those that Linux and macOS give to outgoing connections, and to whoever asks for any port.
_PORTS = range(10_000, 32_768)
_CLAIMS = 100
# A UDP socket for each port that was given last: nobody asks for its number while it is open.
_claims: deque[socket.socket] = deque()


def free_port(host: str = "127.0.0.1") -> int:
    """A port that nobody listens on; OSError where there is none.

    It stays free until its server binds it, as long as all others on this machine ask here or
    have ports of their own: the system gives it to nobody, and this function to nobody else.
    """
    first = secrets.randbelow(len(_PORTS))
    for port in chain(_PORTS[first:], _PORTS[:first]):
        claim = socket.socket(type=socket.SOCK_DGRAM)
        try:
            claim.bind(("", port))
            with socket.socket() as probe:
                probe.bind((host, port))
        except OSError:
            claim.close()
            continue
        _claims.append(claim)
        if len(_claims) > _CLAIMS:
            _claims.popleft().close()
        return port
    raise OSError(f"no port from {_PORTS[0]} to {_PORTS[-1]} is free")


def is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True
