"""The request that is sent to a service that does not know the contract, and the answer it owes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from loadtests.errors import UsageError

MAX_BODY = 64 * 1024  # what a socket takes at once on every system

_method = re.compile(r"[A-Za-z][A-Za-z0-9-]*").fullmatch
_header = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t -~\x80-\xff]*)").fullmatch
_ascii = "".join(map(chr, range(0x21, 0x7F)))  # what a target may have as it is
FIXED = ("content-length", "connection", "transfer-encoding")


class BadRequest(UsageError):
    """A request that cannot be sent; the text says what to write instead."""


@dataclass(frozen=True)
class Asked:
    """One request, sent again and again, and the answer that counts as right.

    `target` is path and query; `body` has a character a byte (Latin-1). Right is an answer of
    the status `status`, or of any from 200 to 299 where that is None, whose body has `expect`
    in it.
    """

    target: str
    method: str = "GET"
    headers: tuple[str, ...] = ()
    body: str = ""
    status: int | None = None
    expect: str = ""

    @classmethod
    def read(cls, given: dict[str, Any]) -> Asked:
        """The request of a plan, as `plan` wrote it."""
        return cls(**{**given, "headers": tuple(given["headers"])})

    def plan(self) -> dict[str, Any]:
        """It as JSON can have it, for the generator."""
        return asdict(self)

    def message(self, host: str) -> bytes:
        """The request as it is sent to `host`, which is a name and a port."""
        given = {header.partition(":")[0].lower() for header in self.headers}
        lines = [f"{self.method} {self.target} HTTP/1.1"]
        lines += [] if "host" in given else [f"Host: {host}"]
        lines += self.headers
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            lines += [f"Content-Length: {len(self.body)}"]
        return "\r\n".join([*lines, "", self.body]).encode("latin-1")

    def wrong(self, status: int, body: bytes | bytearray) -> str:
        """The fault of an answer in one or two words, to count it by; empty where it is right."""
        right = 200 <= status <= 299 if self.status is None else status == self.status
        if not right:
            return f"status {status}"
        return "" if self.expect.encode() in body else "wrong body"

    def __str__(self) -> str:
        return f"{self.method} {self.target}"


def asked(
    target: str,
    method: str = "",
    headers: Iterable[str] = (),
    data: str = "",
    status: int | None = None,
    expect: str = "",
) -> Asked:
    """The request that was asked for, checked: BadRequest says what is wrong.

    `data` is the body, or `@` and the file that has it; with one the method is POST, and the
    type that of JSON, where nothing else is said.
    """
    body = _body(data)
    method = method.upper() or ("POST" if body else "GET")
    if not _method(method):
        raise BadRequest(f"the method must be a word such as GET, not {method!r}")
    if not target.startswith("/"):
        raise BadRequest(f"the path must begin with /, not be {target!r}")
    lines = [_line(header) for header in headers]
    if body and not any(line.lower().startswith("content-type:") for line in lines):
        lines.append("Content-Type: application/json")
    if status is not None and not 200 <= status <= 599:
        raise BadRequest(f"the status must be from 200 to 599, not {status}")
    return Asked(quote(target, safe=_ascii), method, tuple(lines), body, status, expect)


def split_url(url: str) -> tuple[str, str]:
    """`http://host:port` and the target of `url`; BadRequest where it cannot be measured."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme == "https":
        raise BadRequest(
            f"{url}: https cannot be measured here; give the address behind the TLS of your proxy"
        )
    try:
        port = parts.port or 80
    except ValueError:
        port = 0
    if parts.scheme != "http" or not parts.hostname or not port or parts.username:
        raise BadRequest(f"the URL must look like http://127.0.0.1:8000/orders/1, not {url!r}")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"http://{host}:{port}", (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def _line(header: str) -> str:
    found = _header(header)
    if not found:
        raise BadRequest(f"a header must look like 'Accept: text/html', not {header!r}")
    name, value = found.groups()
    if name.lower() in FIXED:
        raise BadRequest(f"the header {name} is set by the load generator itself")
    return f"{name}: {value}"


def _body(data: str) -> str:
    """The bytes of a body, a character each."""
    if data.startswith("@"):
        try:
            body = Path(data[1:]).read_bytes()
        except OSError as error:
            raise BadRequest(f"the body's file {data[1:]}: {error.strerror}") from error
    else:
        body = data.encode()
    if len(body) > MAX_BODY:
        raise BadRequest(f"the body has {len(body):,} bytes; {MAX_BODY:,} can be sent at most")
    return body.decode("latin-1")
