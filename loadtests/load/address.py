"""The address of a server, out of its URL."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

PORTS = {"http": 80, "https": 443}


class Address(NamedTuple):
    """A name or number, and a port."""

    host: str
    port: int

    @property
    def header(self) -> str:
        """The value of `Host`, where an IPv6 address stands in brackets: RFC 9110, 7.2."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def address(url: str, scheme: str = "http") -> Address:
    """The address in `http://name:port`; ValueError where it is no such URL, or has more.

    `scheme` is http or https.
    """
    try:
        parts = urlsplit(url)
        more = parts.path.strip("/") or parts.query or parts.fragment or "@" in parts.netloc
        if parts.scheme == scheme and parts.hostname and not more:
            return Address(parts.hostname, PORTS[scheme] if parts.port is None else parts.port)
    except ValueError:  # a port that is none, or brackets that do not close
        pass
    raise ValueError(f"the host must look like {scheme}://name:port, not {url!r}")
