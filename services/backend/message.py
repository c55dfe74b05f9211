"""Requests read strictly (RFC 9110 and 9112), and answers written: HTTP/1.1 without any I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import IPv6Address

from contract import JSON, MAX_CALL_ID

MAX_HEAD = 8192
MAX_BODY = 1 << 20

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(%b) ([!-~]+) HTTP/([0-9])\.([0-9])\r\n" % _TOKEN)
_FIELDS = re.compile(rb"(?:%b:[\t -~\x80-\xff]*\r\n)*\r\n" % _TOKEN)
_FIELD = re.compile(rb"([^:\r\n]+):([^\r\n]*)\r\n")
# No head may contain these: control characters, and a CR or an LF on its own.
_NEVER = re.compile(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]|(?<!\r)\n")
_PARTIAL_METHOD = re.compile(rb"%b(?: .*)?" % _TOKEN, re.DOTALL)
# RFC 3986 3.2.2, but for the comma: two hosts in one field look like a name with one.
_HOST = re.compile(
    rb"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)
_LENGTH = re.compile(rb"[0-9]{1,18}")
_ABSOLUTE_FORM = re.compile(rb"(?i:https?)://([^/?]*)")

# A whole delay request as HTTP clients usually write it. It takes a part of what `parse`
# takes, to the same effect: see tests/backend/test_backend_same_answers.py.
_harmless = (
    rb"(?:(?:(?i:user-agent|accept|accept-encoding|accept-language): [ -~]{0,200}"
    rb"|(?i:connection: keep-alive))\r\n){0,8}+"
)
_id = rb"(?:(?i:x-request-id): ([A-Za-z0-9._:-]{1,%d})\r\n)?+" % MAX_CALL_ID
usual_request = re.compile(
    rb"GET /delay/([0-9.]{1,9}) HTTP/1\.1\r\n"
    + (_harmless + _id + _harmless)
    + rb"(?i:host): (?:[A-Za-z0-9._-]{1,200}|\[::1\])(?::[0-9]{1,5})?\r\n"
    + (_harmless + rb"(?(2)|" + _id + rb")" + _harmless)
    + rb"\r\n"
).fullmatch


class Refused(Exception):
    """A request that ends its connection: `status` and the text of the answer's `error`."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class Request:
    """The parts of a request that the backend needs."""

    method: bytes
    path: bytes
    request_id: str | None  # repeated headers are joined by a comma, as RFC 9110 5.3 says
    body_bytes: int
    keep_alive: bool
    http10: bool


def take(buffer: bytearray) -> Request | None:
    """Remove one complete head from the front of `buffer` and return it, parsed.

    None while it is incomplete; Refused as soon as it cannot become a request
    this server accepts, even where its end has not arrived.
    """
    while buffer.startswith(b"\r\n"):  # RFC 9112 2.2: empty lines before a request are ignored
        del buffer[:2]
    end = buffer.find(b"\r\n\r\n", 0, MAX_HEAD) + 4
    if end > 3:
        head = bytes(buffer[:end])
        del buffer[:end]
        return parse(head)
    if buffer and buffer != b"\r":
        _check_beginning(buffer)
    if len(buffer) >= MAX_HEAD:
        raise Refused(431, "request head over 8 KiB")
    return None


def parse(head: bytes) -> Request:
    """Parse a complete head, empty line included; Refused where the RFC calls it malformed."""
    line = _REQUEST_LINE.match(head)
    if not line or not _FIELDS.fullmatch(head, line.end()):
        raise Refused(400, "malformed request")
    method, target, major, minor = line.groups()
    if major != b"1":
        raise Refused(505, "HTTP version not supported")
    http10 = minor == b"0"
    fields: dict[bytes, list[bytes]] = {}
    for name, value in _FIELD.findall(head, line.end()):
        fields.setdefault(name.lower(), []).append(value.strip(b" \t"))
    hosts = fields.get(b"host", [])
    if len(hosts) > 1 or not (hosts or http10) or not all(map(_is_host, hosts)):
        raise Refused(400, "HTTP/1.1 needs exactly one valid Host header")
    absolute = _ABSOLUTE_FORM.match(target)
    if absolute:
        if not absolute[1] or not _is_host(absolute[1]):
            raise Refused(400, "malformed request")
        target = target[absolute.end() :]
    body_bytes = _body_bytes(fields)
    expect = b",".join(fields.get(b"expect", [])).lower()
    if expect and not http10 and (body_bytes or expect != b"100-continue"):
        raise Refused(417, "no expectation can be met here")
    request_ids = fields.get(b"x-request-id")
    options = {
        o.strip(b" \t") for o in b",".join(fields.get(b"connection", [])).lower().split(b",")
    }
    return Request(
        method=method,
        path=target.partition(b"?")[0] or b"/",
        request_id=b",".join(request_ids).decode("latin-1") if request_ids else None,
        body_bytes=body_bytes,
        keep_alive=b"close" not in options and (not http10 or b"keep-alive" in options),
        http10=http10,
    )


def _is_host(value: bytes) -> bool:
    host = _HOST.fullmatch(value)
    if not host or host["ipv6"] is None:
        return bool(host)
    try:
        IPv6Address(host["ipv6"].decode())
    except ValueError:
        return False
    return True


def _body_bytes(fields: dict[bytes, list[bytes]]) -> int:
    lengths = fields.get(b"content-length", [])
    if b"transfer-encoding" in fields:
        if lengths:
            raise Refused(400, "both Content-Length and Transfer-Encoding")
        raise Refused(411, "a body needs a Content-Length")
    if not lengths:
        return 0
    if len(lengths) > 1 or not _LENGTH.fullmatch(lengths[0]):
        raise Refused(400, "Content-Length must be given once, as a number")
    if int(lengths[0]) > MAX_BODY:
        raise Refused(413, "request body over 1 MiB")
    return int(lengths[0])


def _check_beginning(buffer: bytearray) -> None:
    """Refuse an incomplete head that no further byte can save, so that its sender need not wait."""
    line_end = buffer.find(b"\r\n") + 2
    line = _REQUEST_LINE.fullmatch(buffer, 0, line_end) if line_end > 1 else None
    if (
        _NEVER.search(buffer, 0, MAX_HEAD)
        or not _PARTIAL_METHOD.fullmatch(buffer)
        or (line_end > 1 and not line)
    ):
        raise Refused(400, "malformed request")


def respond(status: int, body: bytes, request: Request | None, *fields: str) -> bytes:
    """A whole answer. Without a `request` it is the last one on its connection."""
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", f"Content-Type: {JSON}"]
    lines += [f"Content-Length: {len(body)}", *fields]
    if request is None or not request.keep_alive:
        lines.append("Connection: close")
    elif request.http10:
        lines.append("Connection: keep-alive")
    text = "\r\n".join(lines) + "\r\n\r\n"
    return text.encode() + (b"" if request and request.method == b"HEAD" else body)
