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
BAD_CALLS = "calls must be given once, as a whole number from 1 to 100"
BAD_CYCLES = "cycles must be given once, as a whole number from 0 to 10000000"
BAD_SIZE = "size must be given once, as a whole number from 0 to 16777216"
BAD_JSON_SIZE = "size must be given once, as a whole number from 0 to 1048576"
BAD_REQUEST_ID = "X-Request-ID must be 1 to 64 letters, digits or any of . _ : -"
NO_ROUTE = "no such route"
WRONG_METHOD = "method not allowed"
SHUTTING_DOWN = "shutting down"
INTERNAL = "internal error"
MESSAGES = {404: NO_ROUTE, 405: WRONG_METHOD, 503: SHUTTING_DOWN}

MAX_DELAY_S = 60
MAX_CALLS = 100
MAX_CYCLES = 10_000_000
FILE_SIZE = 16 * 1024 * 1024
MAX_JSON = 1024 * 1024
MAX_MESSAGE = 64 * 1024  # bytes of a chat message
MAX_QUEUE, MAX_QUEUE_BYTES = 256, 1024 * 1024  # of messages for one member of a chat
MAX_CALL_ID = 68  # a request's id, a dot and the number of one of its calls

COMPOSITE_CALLS = 12
# A JSON number without sign or exponent: it can be passed on, and back, as it was written.
_delay = re.compile(r"(?:0|[1-9][0-9]?)(?:\.[0-9]{1,6})?").fullmatch
_nothing_but_delay = re.compile(r"delay=([0-9.]+)").fullmatch
_whole = re.compile(r"0|[1-9][0-9]{0,7}").fullmatch
_url = re.compile(
    r"http://(?:(?:[A-Za-z0-9_-]{1,63}\.)*[A-Za-z0-9_-]{1,63}\.?|\[[0-9a-fA-F:.]+\]):([0-9]{1,5})"
).fullmatch
_id = re.compile(r"[A-Za-z0-9._:-]+").fullmatch


class Problem(Exception):
    """A request the contract answers with `status` and `{"error": message}`."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


@dataclass(frozen=True)
class Settings:
    """The settings that CONTRACT.md leaves to the environment."""

    host: str
    port: int
    backend_url: str
    workers: int
    concurrency: int
    backend_timeout_s: float


class BackendBroken(Problem):
    """The backend refused, dropped or garbled the call: 502."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(502, f"backend {settings.backend_url} gave no valid answer")


class BackendSlow(Problem):
    """The backend did not answer in time: 504."""

    def __init__(self, settings: Settings) -> None:
        url, timeout_s = settings.backend_url, settings.backend_timeout_s
        super().__init__(504, f"backend {url} did not answer within {timeout_s:g} s")


def settings(environ: Mapping[str, str]) -> Settings:
    """Read the settings from `environ`; SystemExit names the variable that is wrong."""

    def number(name: str, default: str, lowest: float, highest: float) -> float:
        text = environ.get(name, default)
        whole = isinstance(lowest, int)
        is_number = re.fullmatch(r"[0-9]+" if whole else r"[0-9]+(\.[0-9]+)?", text)
        if is_number and lowest <= float(text) <= highest:
            return float(text)
        kind = "a whole number" if whole else "a number"
        raise SystemExit(f"{name} must be {kind} from {lowest:g} to {highest:g}, not {text!r}")

    backend_url = environ.get("BACKEND_URL", "http://127.0.0.1:8000")
    parts = _url(backend_url)
    if not parts or not 1 <= int(parts[1]) <= 65535:
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
    """Return `text` if it is a delay the contract allows, else raise Problem."""
    if _delay(text) and float(text) <= MAX_DELAY_S:
        return text
    raise Problem(400, BAD_DELAY)


def delay_from(query: str) -> str:
    """Return the delay, as written, of a query such as `delay=0.1`; Problem otherwise."""
    usual = _nothing_but_delay(query)  # which needs no parsing, 3 % of a request in an event loop
    return checked_delay(usual[1] if usual else _only(query, "delay", BAD_DELAY))


def fanout_from(query: str) -> tuple[int, str]:
    """Return the calls and the delay of a query such as `calls=5&delay=0.1`; or Problem."""
    return _number(query, "calls", 1, MAX_CALLS, BAD_CALLS), delay_from(query)


def composite_from(query: str) -> tuple[str, int]:
    """Return the delay and the cycles of a query such as `delay=0.1&cycles=0`; or Problem."""
    return delay_from(query), cycles_from(query)


def cycles_from(query: str) -> int:
    """Return the cycles of a query such as `cycles=20000`; Problem otherwise."""
    return _number(query, "cycles", 0, MAX_CYCLES, BAD_CYCLES)


def size_from(query: str) -> int:
    """Return the bytes asked for by a query such as `size=1024`; Problem otherwise."""
    return _number(query, "size", 0, FILE_SIZE, BAD_SIZE)


def json_from(query: str) -> tuple[str, int]:
    """Return the delay and the bytes of a query such as `delay=0.1&size=2048`; or Problem."""
    return delay_from(query), _number(query, "size", 0, MAX_JSON, BAD_JSON_SIZE)


def _number(query: str, name: str, lowest: int, highest: int, message: str) -> int:
    text = _only(query, name, message)
    if _whole(text) and lowest <= int(text) <= highest:
        return int(text)
    raise Problem(400, message)


def _only(query: str, name: str, message: str) -> str:
    given = [value for key, value in parse_qsl(query, keep_blank_values=True) if key == name]
    if len(given) != 1:
        raise Problem(400, message)
    return given[0]


def checked_request_id(value: str | None, longest: int = 64) -> str:
    """Return the request's id, empty where the header is absent; Problem otherwise."""
    if value is None:
        return ""
    value = value.strip(" \t")  # space around a value is not part of it; some servers leave it
    if _id(value) and len(value) <= longest:
        return value
    raise Problem(400, BAD_REQUEST_ID)


def call_ids(request_id: str, calls: int) -> list[str]:
    """The ids of a request's backend calls where it makes several: `<id>.1`, `<id>.2`, …"""
    return [f"{request_id}.{number}" for number in range(1, calls + 1)]


def burn(cycles: int) -> None:
    """Use the CPU for so many turns of an empty loop."""
    for _ in range(cycles):
        pass


def file_block() -> bytes:
    """One MiB; 16 of them are the file that `/file` serves: 0, 1, 2, … 250, 0, 1, …"""
    return (bytes(range(251)) * 4178)[: 1024 * 1024]


def fanout_body(settings: Settings, delay: str, answers: list[bytes]) -> bytes:
    """The body of `/fanout`, from the backend's answers; BackendBroken if one is none."""
    return b'{"delay":%b,"ids":%b}' % (delay.encode(), _ids(settings, answers))


def composite_body(settings: Settings, delay: str, cycles: int, answers: list[bytes]) -> bytes:
    """The body of `/composite`, from the backend's 12 answers; BackendBroken if one is none."""
    ids = _ids(settings, answers)
    return b'{"delay":%b,"cycles":%d,"ids":%b}' % (delay.encode(), cycles, ids)


def _ids(settings: Settings, answers: list[bytes]) -> bytes:
    try:
        ids = [json.loads(answer)["id"] for answer in answers]
    except (ValueError, TypeError, KeyError):
        raise BackendBroken(settings) from None
    return json.dumps(ids, separators=(",", ":")).encode()


def json_body(settings: Settings, answer: bytes) -> bytes:
    """The body of `/json`: the backend's parsed and written anew; BackendBroken if it is none."""
    try:
        parsed = json.loads(answer)
        parsed["total"] = sum(item["count"] for item in parsed.get("items", ()))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise BackendBroken(settings) from None
    return json.dumps(parsed, separators=(",", ":")).encode()


def cpu_body(query: str) -> bytes:
    """The body of `/cpu`, after the burn that a query such as `cycles=20000` asks for; Problem."""
    cycles = cycles_from(query)
    burn(cycles)
    return b'{"cycles":%d}' % cycles


def error_body(message: str) -> bytes:
    """The body of every answer that is not a success."""
    return json.dumps({"error": message}, separators=(",", ":")).encode()
