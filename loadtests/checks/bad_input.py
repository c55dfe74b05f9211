"""Requests that are wrong in every way that is easy to think of.

Hypothesis draws the bytes that choose, so that a failing one is made shorter before it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from hypothesis import strategies as st

CRLF = b"\r\n"
GOOD_TARGETS = (
    *(b"/?delay=0", b"/fanout?calls=2&delay=0", b"/composite?delay=0&cycles=9", b"/cpu?cycles=9"),
    *(b"/health", b"/info", b"/delay/0", b"/stats", b"/json?delay=0&size=9", b"/file?size=9"),
)
TARGETS = (
    *(b"", b"/", b"//", b"*", b"?", b"?delay=0", b"/?", b"/?delay", b"/?delay=", b"/%", b"/%zz"),
    *(b"/?delay=%", b"/?delay=%00", b"/?delay=%ff", b"/?delay=-1", b"/?delay=1e-9", b"/?delay=nan"),
    *(
        b"/?delay=0&delay=0",
        b"/?delay=0;delay=0",
        b"/?delay=\xd9\xa0",
        b"/?%64elay=0",
        b"/\xff\xfe",
    ),
    *(
        b"/fanout?calls=0&delay=0",
        b"/fanout?calls=101&delay=0",
        b"/cpu?cycles=99999999999999999999",
    ),
    *(b"/composite", b"/cpu", b"/file?size=-1", b"/chat", b"/health/", b"/health;x", b"/./health"),
    *(
        b"/../health",
        b"/..%2f..%2fetc/passwd",
        b"/a b",
        b"/\t",
        b"/\0",
        b"/#x",
        b"/%c0%ae/",
        b"health",
    ),
    *(b"http://x/?delay=0", b"HTTP://X", b"http://", b"http://[", b"http://[::1", b"//[", b"//x/y"),
    *(
        b"http://x:99999/",
        b"x:1",
        b"/?" + b"a=&" * 3000,
        b"/" + b"x" * 70_000,
        b"/" + b"%41" * 3000,
    ),
)
METHODS: tuple[bytes, ...] = (
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"OPTIONS",
    b"CONNECT",
    b"TRACE",
    b"PATCH",
    b"PRI",
)
METHODS += (b"get", b"", b"G", b"G\0T", b"G(T", b"\xc3\xa9", b"X" * 300, b"GET ", b" GET")
VERSIONS: tuple[bytes, ...] = (
    b" HTTP/1.0",
    b" HTTP/2.0",
    b" HTTP/0.9",
    b" HTTP/1.",
    b" HTTP/11.1",
    b" HTTP/1.1 x",
)
VERSIONS += (
    b"",
    b" ",
    b" http/1.1",
    b" HTTP/1,1",
    b" HTTP/-1.1",
    b" HTTP/1.\xd9\xa1",
    b"\tHTTP/1.1",
)
LENGTHS: tuple[bytes, ...] = (
    b"0",
    b"5",
    b"-1",
    b"+5",
    b"5, 5",
    b"5,6",
    b"",
    b" ",
    b"0x5",
    b"5.0",
    b"1_0",
    b"9" * 30,
)
LENGTHS += (b"\xd9\xa5", b"5\0", b"2147483648", b"18446744073709551616", b"1" * 5000, b"5;")
ENCODINGS: tuple[bytes, ...] = (
    b"chunked",
    b"CHUNKED",
    b"chunked, chunked",
    b"gzip",
    b"gzip, chunked",
    b"identity",
)
ENCODINGS += (b"xchunked", b"\x0bchunked", b"chunked;q=1", b"", b"chunked, identity", b'"chunked"')
BODIES = (
    *(b"", b"hello", b"5\r\nhello\r\n0\r\n\r\n", b"5\r\nhello", b"zz\r\n", b"-1\r\nx\r\n"),
    *(
        b"0\r\n",
        b"f" * 40 + CRLF,
        b"5;a=" + b"b" * 9000 + b"\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\n0\n\n",
    ),
    *(b"0\r\nX: y\r\nContent-Length: 3\r\n\r\n", b"0\r\n" + b"t: u\r\n" * 500 + CRLF, b"\0" * 30),
    *(b"5\r\nhelloXX0\r\n\r\n", b"0x5\r\nhello\r\n0\r\n\r\n", b" 5 \r\nhello\r\n0\r\n\r\n"),
)
FIELDS = (
    *(b"Host: a\r\nHost: b", b"Host:", b"Host: a b", b"Host: [", b"Host: \xff", b"Host: a:b:c"),
    *(
        b"Host : a",
        b" Host: a",
        b"Host\0: a",
        b": x",
        b"x",
        b"x:",
        b"x y: z",
        b"X: a\r\n b",
        b"X: \0",
    ),
    *(b"X: a\rb", b"X: a\nb", b"\xc3\xa9: x", b"X: " + b"y" * 9000, b"X: " + b"y" * 70_000),
    *(b"Cookie: ;=;\xff", b"Cookie: a=" + b'"' * 500, b"Expect: 100-continue", b"Expect: x"),
    *(b"Connection: close", b"Connection: keep-alive, close", b"Connection: \x01", b"Upgrade: h2c"),
    *(b"Connection: Upgrade\r\nUpgrade: websocket", b"Connection: Upgrade\r\nUpgrade: h2c"),
    *(
        b"Sec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13",
        b"HTTP2-Settings: =",
        b"Range: bytes=9-1",
    ),
    *(b"Content-Type: multipart/form-data", b"Content-Type: multipart/form-data; boundary=\0"),
    *(b"Content-Type: text/plain; charset=nope", b"Content-Encoding: gzip", b"Accept: ;;q=,"),
    *(
        b"Accept-Encoding: \xff;q=x",
        b"If-Modified-Since: x",
        b"Authorization: Basic =",
        b"Date: \xff",
    ),
    *(b"X-Forwarded-For: \xff", b"X-Forwarded-Proto: x\0", b"Forwarded: for=[", b"TE: trailers"),
    *(b"X-Request-ID: a", b"X-Request-ID: ", b"X-Request-ID: " + b"a" * 65, b"X-Request-ID: \xe9"),
    *(b"X-Request-ID: a\r\nX-Request-ID: b", b"Script-Name: /x", b"Script_Name: /x", b"Proxy: x"),
    *(b"\r\n".join([b"X: y"] * 120), b"\r\n".join(b"X%d: y" % n for n in range(2000))),
)
OF_ALL, OF_ONE = 16, 32  # bytes drawn for a connection, and for each of its requests
REPEATED = re.compile(rb"(.{1,8}?)\1{19,}", re.DOTALL)


@dataclass(frozen=True, repr=False)
class Input:
    """Bytes sent in these parts; then sending is shut down, or the connection `is_dropped`."""

    parts: tuple[bytes, ...]
    is_dropped: bool

    @property
    def size(self) -> int:
        """All of its bytes."""
        return sum(map(len, self.parts))

    def __repr__(self) -> str:
        """The parts as Python writes them, long repetitions as products: to be sent once more."""
        return f"({', '.join(map(_written, self.parts))},){' dropped' if self.is_dropped else ''}"


class Choices:
    """Choices by the bytes that Hypothesis drew, in one go, as each draw costs much; 0 is usual."""

    def __init__(self, drawn: bytes) -> None:
        self._drawn = iter(drawn)

    def number(self, below: int) -> int:
        """A number below this one, 256 at most."""
        return next(self._drawn, 0) % below

    def one(self, options: Sequence[bytes]) -> bytes:
        """Any of them."""
        return options[self.number(len(options))]

    def mostly(self, usual: bytes, odd: Sequence[bytes]) -> bytes:
        """As usual in two of three: what is wrong in all parts is refused for the first of them."""
        return self.one(odd) if self.number(3) == 2 else usual

    def rest(self, size: int) -> bytes:
        """So many bytes as they are."""
        return bytes(self.number(256) for _ in range(size))


def request(drawn: bytes) -> bytes:
    """A request with a fault or two, or none."""
    choose = Choices(drawn)
    method = choose.mostly(b"GET", METHODS)
    target = choose.one(GOOD_TARGETS + TARGETS)
    line = method + b" " + target + choose.mostly(b" HTTP/1.1", VERSIONS)
    fields = [choose.mostly(b"Host: a", (b"X: y", b"Host: b"))]
    fields += [choose.one(FIELDS) for _ in range(choose.number(4))]
    if choose.number(2):
        fields.append(b"Content-Length: " + choose.mostly(b"5", LENGTHS))
    if choose.number(4) == 3:
        fields.append(b"Transfer-Encoding: " + choose.mostly(b"chunked", ENCODINGS))
    body = choose.one(BODIES) if len(fields) > 1 else b""
    end = choose.mostly(CRLF, (b"\n", b"\r", b"\r\n ", b"\0\r\n", CRLF, CRLF))
    if choose.number(8) == 7:
        fields.append(choose.rest(8))
    return end.join([line, *fields, b"", b""]) + body


def made(drawn: bytes) -> Input:
    """One to four requests on one connection, whole or cut, some bytes replaced, in parts."""
    choose, requests = Choices(drawn[:OF_ALL]), drawn[OF_ALL:]
    sent = b"".join(
        request(requests[at : at + OF_ONE]) for at in range(0, len(requests) - OF_ONE + 1, OF_ONE)
    )
    is_dropped = choose.number(10) == 9
    if choose.number(4) == 3:
        at, gone = choose.number(256), choose.number(5)
        sent = sent[:at] + choose.rest(choose.number(5)) + sent[at + gone :]
    if choose.number(6) == 5:
        sent = sent[: len(sent) * choose.number(256) // 256]
    cuts = sorted(len(sent) * choose.number(256) // 256 for _ in range(choose.number(3)))
    return Input(tuple(sent[a:b] for a, b in pairwise([0, *cuts, len(sent)])), is_dropped)


def inputs() -> st.SearchStrategy[Input]:
    """Inputs of all kinds."""
    return st.binary(min_size=OF_ALL + OF_ONE, max_size=OF_ALL + 4 * OF_ONE).map(made)


def _written(part: bytes) -> str:
    pieces, at = [], 0
    for found in REPEATED.finditer(part):
        unit = found[1]
        pieces += [repr(part[at : found.start()]), f"{unit!r} * {len(found[0]) // len(unit)}"]
        at = found.end()
    pieces.append(repr(part[at:]))
    return " + ".join(piece for piece in pieces if piece != "b''") or "b''"
