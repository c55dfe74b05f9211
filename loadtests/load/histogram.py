"""Response times as HdrHistograms: three significant digits, merged without loss.

As text they are what other tools read: V2, compressed, base64, in microseconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from hdrh.histogram import HdrHistogram

# Longer and shorter times count as if they were one of these.
SHORTEST_US, LONGEST_US, DIGITS = 1, 120_000_000, 3
PER_MILLE = {"p50_ms": 500, "p90_ms": 900, "p99_ms": 990, "p999_ms": 999, "max_ms": 1000}


def of(times_ms: Iterable[float]) -> str:
    """The histogram of response times in milliseconds; empty text where there are none."""
    counted = Counter([round(time_ms * 1000) for time_ms in times_ms])
    histogram = _new()
    for time_us, times in counted.items():
        histogram.record_value(min(max(time_us, SHORTEST_US), LONGEST_US), times)
    return _text(histogram)


def merged(texts: Iterable[str]) -> str:
    """The histogram of everything that is in those of `texts`, of which some may be empty."""
    histogram = _new()
    for text in filter(None, texts):
        histogram.decode_and_add(text)
    return _text(histogram)


def figures(text: str) -> dict[str, float | None]:
    """`p50_ms p90_ms p99_ms p999_ms max_ms mean_ms` of a histogram; None each where it is empty.

    Percentiles are those of the nearest rank. As everywhere with HdrHistogram, a
    value stands for all that share its first three digits, and the highest of them is given.
    """
    if not text:
        return dict.fromkeys((*PER_MILLE, "mean_ms"))
    histogram = HdrHistogram.decode(text)
    counts = [(index, times) for index, times in enumerate(histogram.counts) if times]
    found: dict[str, float | None] = {}
    ranks = {name: -(-share * histogram.total_count // 1000) for name, share in PER_MILLE.items()}
    seen, total_us = 0, 0.0
    for index, times in counts:
        lowest = histogram.get_value_from_index(index)
        highest = histogram.get_highest_equivalent_value(lowest)
        seen += times
        total_us += times * (lowest + highest) / 2
        for name, rank in ranks.items():
            if name not in found and seen >= rank:
                found[name] = highest / 1000
    return {**found, "mean_ms": round(total_us / seen / 1000, 3)}


def counts(text: str) -> list[tuple[float, int]]:
    """The response times in ms, rising, each with how many took no longer than it."""
    steps = HdrHistogram.decode(text).get_recorded_iterator()
    return [(step.value_iterated_to / 1000, step.total_count_to_this_value) for step in steps]


def mean_in_flight_ms(text: str) -> float | None:
    """How long a request takes that is in flight at any instant, on average; None of none.

    It is longer than the mean: an instant falls into a long request rather than into a short one.
    """
    if not text:
        return None
    histogram = HdrHistogram.decode(text)
    recorded = [
        (histogram.get_value_from_index(index) / 1000, times)
        for index, times in enumerate(histogram.counts)
        if times
    ]
    total_ms = sum(times * time_ms for time_ms, times in recorded)
    return float(sum(times * time_ms**2 for time_ms, times in recorded) / total_ms)


def measured(times_ms: Sequence[float]) -> dict[str, float | str | None]:
    """The response times of a window: their figures, the exact mean, `histogram`."""
    text = of(times_ms)
    mean_ms = round(sum(times_ms) / len(times_ms), 3) if times_ms else None
    return {**figures(text), "mean_ms": mean_ms, "histogram": text}


def _new() -> HdrHistogram:
    return HdrHistogram(SHORTEST_US, LONGEST_US, DIGITS)


def _text(histogram: HdrHistogram) -> str:
    return str(histogram.encode().decode()) if histogram.total_count else ""
