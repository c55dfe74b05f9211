"""The parts of CONTRACT.md that must be the same to the byte in every service.

Pure functions only: nothing here waits, opens a socket or reads a file, so
nothing here belongs to any concurrency model.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

JSON = "application/json"

BAD_DELAY = "delay must be given once, as a decimal number of seconds from 0 to 60, such as 0.1"
BAD_REQUEST_ID = "X-Request-ID must be 1 to 64 letters, digits or any of . _ : -"
NO_ROUTE = "no such route"
WRONG_METHOD = "method not allowed"
SHUTTING_DOWN = "shutting down"
INTERNAL = "internal error"

MAX_DELAY_S = 60
# A JSON number without sign or exponent: it can be passed on, and back, as it was written.
_delay = re.compile(r"(?:0|[1-9][0-9]?)(?:\.[0-9]{1,6})?").fullmatch
_request_id = re.compile(r"[A-Za-z0-9._:-]{1,64}").fullmatch


class Problem(Exception):
    """A request the contract answers with `status` and `{"error": message}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class BadRequest(Problem):
    """The client's fault: 400."""

    def __init__(self, message: str) -> None:
        super().__init__(400, message)


class BackendBroken(Problem):
    """The backend refused, dropped or garbled the call: 502."""

    def __init__(self, url: str) -> None:
        super().__init__(502, f"backend {url} gave no valid answer")


class BackendSlow(Problem):
    """The backend was silent for too long: 504."""

    def __init__(self, url: str, timeout_s: float) -> None:
        super().__init__(504, f"backend {url} did not answer within {timeout_s:g} s")


@dataclass(frozen=True)
class Settings:
    """What CONTRACT.md lets the environment decide, with its defaults."""

    host: str
    port: int
    backend_url: str
    workers: int
    concurrency: int
    backend_timeout_s: float


def settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from `environ`; SystemExit names the variable that is wrong."""

    def number(name: str, default: str, lowest: float, highest: float) -> float:
        text = environ.get(name, default)
        whole = isinstance(lowest, int)
        if re.fullmatch(r"[0-9]+" if whole else r"[0-9]+(\.[0-9]+)?", text):
            value = float(text)
            if lowest <= value <= highest:
                return value
        kind = "a whole number" if whole else "a number"
        raise SystemExit(f"{name} must be {kind} from {lowest:g} to {highest:g}, not {text!r}")

    backend_url = environ.get("BACKEND_URL", "http://127.0.0.1:8000")
    if not re.fullmatch(r"http://[^/:]+:[0-9]{1,5}", backend_url):
        raise SystemExit(f"BACKEND_URL must look like http://host:port, not {backend_url!r}")
    return Settings(
        host=environ.get("HOST", "127.0.0.1"),
        port=int(number("PORT", "8080", 1, 65535)),
        backend_url=backend_url,
        workers=int(number("WORKERS", "1", 1, 256)),
        concurrency=int(number("CONCURRENCY", "1000", 1, 100_000)),
        backend_timeout_s=number("BACKEND_TIMEOUT_S", "10", 0.001, 3600.0),
    )


def checked_delay(text: str) -> str:
    """Return `text` if it is a delay the contract allows, else raise BadRequest."""
    if _delay(text) and float(text) <= MAX_DELAY_S:
        return text
    raise BadRequest(BAD_DELAY)


def delay_from(query: str) -> str:
    """Return the delay, as written, of a query such as `delay=0.1`; BadRequest otherwise."""
    given = [value for name, value in parse_qsl(query, keep_blank_values=True) if name == "delay"]
    if len(given) != 1:
        raise BadRequest(BAD_DELAY)
    return checked_delay(given[0])


def checked_request_id(value: str | None) -> str:
    """Return the request's id, empty where the header is absent; BadRequest otherwise."""
    if value is None:
        return ""
    if _request_id(value):
        return value
    raise BadRequest(BAD_REQUEST_ID)


def error_body(message: str) -> bytes:
    """The body of every answer that is not a success."""
    return json.dumps({"error": message}, separators=(",", ":")).encode()
