"""The question: a delay, a rate, and what there is to serve it with."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

from loadtests import quantities
from loadtests.errors import UsageError

MIB = 2**20
# Random arrivals are uneven: the number in flight stays below its mean and three
# standard deviations, of a Poisson distribution, 99.9 % of the time.
DEVIATIONS = 3
# Each part of the question by its name on the command line, in the words of the form.
LABELS = {
    "DELAY": "Delay of the backend",
    "RATE": "Rate",
    "MEMORY": "Memory",
    "CORES": "Cores",
    "P99": "Response time p99",
    "HAVE": "You have",
}


class BadQuestion(UsageError):
    """A question about a service that there is not; the text says which there are."""


@dataclass(frozen=True)
class Question:
    """A service that waits `delay_s` for its backend, asked `rate_rps` times a second.

    `memory_bytes` is None where memory does not matter, `p99_s` where it does not matter
    how long 99 of 100 answers take, the delay included.
    """

    delay_s: float
    rate_rps: float
    memory_bytes: float | None
    cores: int
    p99_s: float | None = None

    @property
    def in_flight(self) -> float:
        """Requests that wait at once, on average: Little's law."""
        return self.rate_rps * self.delay_s

    @property
    def most_in_flight(self) -> int:
        """Requests that wait at once when many arrive together."""
        return self.in_each(1)

    def in_each(self, processes: int, own_s: float = 0.0) -> int:
        """Requests in flight at once in each process: the fewer in each, the more uneven.

        `own_s` is what a request takes besides the delay.
        """
        mean = self.rate_rps / processes * (self.delay_s + own_s)
        return up(mean + DEVIATIONS * sqrt(mean))

    def words(self) -> str:
        """The question as people would ask it, with what follows from it whatever the service."""
        cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
        memory = "" if self.memory_bytes is None else f" and {plain(self.memory_bytes / MIB)} MiB"
        goal = "" if self.p99_s is None else f", p99 within {seconds(self.p99_s)}"
        average, most = plain(self.in_flight), f"{self.most_in_flight:,}"
        return (
            f"{plain(self.rate_rps)} requests/s, each waiting {seconds(self.delay_s)} for the "
            f"backend, on {cores}{memory}{goal}: by Little's law {average} of them wait at once "
            f"on average, and up to {most} when many arrive together."
        )


def parse(delay: str, rate: str, memory: str, cores: str, p99: str = "") -> Question:
    """The question in the words of the command line; BadNumber says what is wrong with them."""
    delay, rate, memory, cores, p99 = map(str.strip, (delay, rate, memory, cores, p99))
    delay_s = quantities.seconds("DELAY", delay, "seconds from 0.001 to 3600, like 0.2 or 200ms")
    memory_needed = "a size of 1M or more, like 512M or 2G"
    return Question(
        delay_s,
        quantities.rate("RATE", rate, "requests a second, like 300"),
        quantities.size("MEMORY", memory, memory_needed) if memory else None,
        quantities.count("CORES", cores, "a whole number from 1 to 9999"),
        _p99(p99, delay_s) if p99 else None,
    )


def _p99(text: str, delay_s: float) -> float:
    needed = "seconds, like 0.25 or 250ms, and longer than the delay"
    value = quantities.seconds("P99", text, needed)
    if value <= delay_s:
        raise quantities.wrong("P99", needed, text)
    return value


def up(value: float) -> int:
    """The next whole number, except that 60.00000000000001 is 60."""
    return ceil(value - 1e-9)


def plain(value: float) -> str:
    """A number as it was asked, with commas: 0.2, 1,500."""
    return f"{value:,.6f}".rstrip("0").rstrip(".")


def seconds(value: float) -> str:
    """A delay in the unit people say: 200 ms, 2 s."""
    return f"{plain(value * 1000)} ms" if value < 1 else f"{plain(value)} s"
