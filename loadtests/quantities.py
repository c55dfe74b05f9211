"""Numbers as people write them, read alike by every verb: 0.2, 1e3, 1,000, 1 000, 200 ms, 512 MB.

A comma or a space parts thousands. A comma that parts anything else is refused with the form that
works, and so is 1,000 where it may mean a second as well.
"""

from __future__ import annotations

import re

from loadtests.errors import UsageError

NUMBER = r"(?:\d{1,3}(?:(?:,\d{3})+|(?: \d{3})+)(?:\.\d+)?|\d+(?:\.\d*)?|\.\d+)(?:e\+?\d{1,2})?"
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+", re.ASCII)
COMMA = re.compile(r"(\d*),(\d+)", re.ASCII)


class BadNumber(UsageError):
    """A text that is no number, or not one that is allowed; says what is needed."""


def seconds(name: str, text: str, needed: str, least: float = 0.001, most: float = 3600) -> float:
    """The seconds that `0.2`, `200ms` or `2 s` stands for, from `least` to `most`."""
    found = _matched(r"(ms|s)?", text)
    if not found or THOUSANDS.search(text):
        raise wrong(name, needed, text)
    value = _value(found[1]) / (1000 if (found[2] or "").lower() == "ms" else 1)
    return _within(value, least, most, name, needed, text)


def rate(name: str, text: str, needed: str, most: float = 1_000_000_000) -> float:
    """Requests a second: 300, 1,000, 1e3, 300/s."""
    found = _matched(r"(?:/s)?", text)
    if not found:
        raise wrong(name, needed, text)
    return _within(_value(found[1]), 0.001, most, name, needed, text)


def size(name: str, text: str, needed: str) -> float:
    """The bytes that `512M`, `512 MB` or `2GiB` stands for: K is 1,024; 1 MiB or more."""
    found = _matched(r"(?:([KMGT])(?:i?B)?|B)?", text)
    if not found:
        raise wrong(name, needed, text)
    value = _value(found[1]) * UNITS[(found[2] or "").upper()]
    if value < UNITS["M"]:
        raise wrong(name, needed, text, _with_unit(found[1], found[2]))
    return value


def count(name: str, text: str, needed: str, least: int = 1, most: int = 9999) -> int:
    """A whole number from `least` to `most`: 4, 1,000."""
    found = _matched("", text)
    value = _value(found[1]) if found else 0.5
    if value != int(value):
        raise wrong(name, needed, text)
    return int(_within(value, least, most, name, needed, text))


def port(name: str, text: str) -> int:
    """A port; BadNumber where it is none."""
    return count(name, text, "a port from 1 to 65535", most=65535)


def share(name: str, text: str, needed: str = "a percentage like 5%") -> float:
    """0.05 for `5%`."""
    found = _matched("%", text)
    if not found:
        raise wrong(name, needed, text)
    return _value(found[1]) / 100


def wrong(name: str, needed: str, text: str, instead: str = "") -> BadNumber:
    """The error that says what is needed, and what to write instead of a comma."""
    text = text.strip()
    said = f"{name} must be {needed}, " + (f"not {text}" if text else "and is missing")
    instead = instead or _without_comma(text)
    return BadNumber(f"{said}: write {instead}" if instead else said)


def _matched(unit: str, text: str) -> re.Match[str] | None:
    return re.fullmatch(rf"({NUMBER}) ?{unit}", text.strip(), re.ASCII | re.IGNORECASE)


def _value(number: str) -> float:
    return float(number.replace(",", "").replace(" ", ""))


def _within(value: float, least: float, most: float, name: str, needed: str, text: str) -> float:
    if not least <= value <= most:
        raise wrong(name, needed, text)
    return value


def _without_comma(text: str) -> str:
    """`0.2` for `0,2`; both readings of `1,000`; empty where there is no such number."""
    if len(found := COMMA.findall(text)) != 1:
        return ""
    before, after = found[0]
    rest = text[text.index(",") + 1 + len(after) :]
    point = f"{before or 0}.{after}{rest}"
    return (
        f"{before}{after}{rest} or {point}" if THOUSANDS.fullmatch(f"{before},{after}") else point
    )


def _with_unit(number: str, unit: str | None) -> str:
    """`512M or 512G` for `512`, which would be a handful of bytes."""
    return "" if unit or not _value(number) else f"{number}M or {number}G"
