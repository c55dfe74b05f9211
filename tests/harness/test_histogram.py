"""Response times as histograms: what is put in comes out, to three digits."""

from __future__ import annotations

import math
import random
import subprocess
import sys
from fractions import Fraction

import pytest
from hdrh.histogram import HdrHistogram

from loadtests.catalog import ROOT
from loadtests.load import histogram

SHARES = {
    "p50_ms": Fraction(50, 100),
    "p90_ms": Fraction(90, 100),
    "p99_ms": Fraction(99, 100),
    "p999_ms": Fraction(999, 1000),
    "max_ms": Fraction(1),
}
# Half of the last of three digits, and half a microsecond.
CLOSE = {"rel": 1e-3, "abs": 0.0005}


def some_times(rng: random.Random, size: int) -> list[float]:
    """Response times in ms: all orders of magnitude from 0.05 ms to 60 s alike, some repeated."""
    times = [math.exp(rng.uniform(math.log(0.05), math.log(60_000))) for _ in range(size)]
    return [rng.choice(times) if rng.random() < 0.2 else time for time in times]


@pytest.mark.parametrize("size", [*range(1, 30), 99, 100, 101, 160, 999, 1000, 1001, 5000])
def test_figures_are_those_of_the_sorted_times(size: int) -> None:
    """Percentiles are nearest-rank: a time that was measured, at that rank."""
    times = some_times(random.Random(size), size)
    figures = histogram.measured(times)
    assert figures.pop("histogram") == histogram.of(times)
    assert figures.pop("mean_ms") == pytest.approx(sum(times) / size, abs=0.001)
    ranked = sorted(times)
    expected = {name: ranked[math.ceil(share * size) - 1] for name, share in SHARES.items()}
    assert figures == pytest.approx(expected, **CLOSE)


def test_the_mean_of_a_histogram_alone() -> None:
    times = some_times(random.Random(3), 1000)
    mean_ms = histogram.figures(histogram.of(times))["mean_ms"]
    assert mean_ms == pytest.approx(sum(times) / 1000, rel=1e-3)


def test_merging_equals_recording_all() -> None:
    """Merging the histograms of rounds and processes loses nothing."""
    rng = random.Random(4)
    parts = [some_times(rng, size) for size in (1, 700, 0, 50)]
    whole = histogram.of([time for part in parts for time in part])
    assert histogram.merged(map(histogram.of, parts)) == whole
    assert histogram.merged([whole]) == whole


def test_other_tools_can_read_it() -> None:
    times = [0.05, 1.0, 100.25, 60_000.0]
    read = HdrHistogram.decode(histogram.of(times))
    assert (read.significant_figures, read.total_count) == (3, 4)
    for number, time in enumerate(times, 1):
        assert read.get_value_at_percentile(25 * number) == pytest.approx(time * 1000, rel=1e-3)


def test_nothing() -> None:
    nothing = dict.fromkeys((*SHARES, "mean_ms"))
    assert (histogram.of([]), histogram.merged([]), histogram.merged(["", ""])) == ("", "", "")
    assert histogram.figures("") == nothing
    assert histogram.measured([]) == {**nothing, "histogram": ""}


def test_times_out_of_range_are_counted_at_its_end() -> None:
    text = histogram.of([0.0, 1e-9, 119_000.0, 1e9])
    assert HdrHistogram.decode(text).total_count == 4
    figures = histogram.figures(text)
    assert figures["p50_ms"] == 0.001
    assert figures["max_ms"] == pytest.approx(120_000, rel=1e-3)


def test_neither_the_bench_nor_a_report_loads_locust() -> None:
    """Locust patches a process that imports it."""
    asked = "loadtests.record, loadtests.bench.rounds, loadtests.report.sections"
    said = f"import sys, {asked}; print({{'locust', 'gevent'}} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", said], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "set()"
