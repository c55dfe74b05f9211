"""The question: a delay, a rate, and what there is to serve it with."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import ceil, sqrt

MIB = 2**20
# Random arrivals are uneven: the number in flight stays below its mean and three
# standard deviations, of a Poisson distribution, 99.9 % of the time.
DEVIATIONS = 3
UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_number = r"(\d{1,12}(?:\.\d{1,12})?|\.\d{1,12})"


class BadQuestion(ValueError):
    """What cannot be understood; the text says what is needed."""


@dataclass(frozen=True)
class Question:
    """A service that waits `delay_s` for its backend, asked `rate_rps` times a second.

    `memory_bytes` is None where memory does not matter.
    """

    delay_s: float
    rate_rps: float
    memory_bytes: float | None
    cores: int

    @property
    def in_flight(self) -> float:
        """Requests that wait at once, on average: Little's law."""
        return self.rate_rps * self.delay_s

    @property
    def most_in_flight(self) -> int:
        """Requests that wait at once when many arrive together."""
        return up(self.in_flight + DEVIATIONS * sqrt(self.in_flight))

    def words(self) -> str:
        """The question as people would ask it, with what follows from it whatever the service."""
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        memory = "" if self.memory_bytes is None else f" and {plain(self.memory_bytes / MIB)} MiB"
        return (
            f"{plain(self.rate_rps)} requests/s, each waiting {seconds(self.delay_s)} for the "
            f"backend, on {cores}{memory}: by Little's law {plain(self.in_flight)} requests are "
            f"in flight on average, and up to {self.most_in_flight:,} when many arrive together."
        )


def parse(delay: str, rate: str, memory: str, cores: str) -> Question:
    """The question in the words of the command line; BadQuestion says what is wrong with them."""
    return Question(_delay(delay.strip()), _rate(rate.strip()), _memory(memory), _cores(cores))


def _delay(text: str) -> float:
    found = re.fullmatch(_number + r"(ms|s)?", text, re.ASCII)
    value = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else 0.0
    if not 0.001 <= value <= 3600:
        raise BadQuestion(_wrong("DELAY", "seconds from 0.001 to 3600, like 0.2 or 200ms", text))
    return value


def _rate(text: str) -> float:
    found = re.fullmatch(_number, text, re.ASCII)
    value = float(found[1]) if found else 0.0
    if not 0.001 <= value <= 1_000_000_000:
        raise BadQuestion(_wrong("RATE", "requests a second, like 300", text))
    return value


def _memory(text: str) -> float | None:
    text = text.strip()
    if not text:
        return None
    found = re.fullmatch(_number + r"(?:([KMGT])(?:i?B)?)?", text, re.ASCII | re.IGNORECASE)
    value = float(found[1]) * UNITS[(found[2] or "").upper()] if found else 0.0
    if value < 1:
        raise BadQuestion(_wrong("MEMORY", "bytes, or like 512M or 2G", text))
    return value


def _cores(text: str) -> int:
    text = text.strip()
    value = int(text) if re.fullmatch(r"\d{1,4}", text, re.ASCII) else 0
    if value < 1:
        raise BadQuestion(_wrong("CORES", "a whole number from 1 to 9999", text))
    return value


def _wrong(name: str, needed: str, text: str) -> str:
    return f"{name} must be {needed}, " + (f"not {text}" if text else "and is missing")


def up(value: float) -> int:
    """The next whole number, except that 60.00000000000001 is 60."""
    return ceil(value - 1e-9)


def plain(value: float) -> str:
    """A number as it was asked, with commas: 0.2, 1,500."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def seconds(value: float) -> str:
    """A delay in the unit people say: 200 ms, 2 s."""
    return f"{plain(value * 1000)} ms" if value < 1 else f"{plain(value)} s"
