"""Numbers as people write them: each is understood, or refused with the form that works."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from loadtests import quantities
from loadtests.quantities import BadNumber

MIB = 2**20
UNDERSTOOD: list[tuple[Callable[..., float], str, float]] = [
    (quantities.seconds, "0.2", 0.2),
    (quantities.seconds, " 200ms ", 0.2),
    (quantities.seconds, "200 ms", 0.2),
    (quantities.seconds, "2s", 2),
    (quantities.seconds, "2 S", 2),
    (quantities.seconds, "200 MS", 0.2),
    (quantities.seconds, ".5", 0.5),
    (quantities.seconds, "1e3 ms", 1),
    (quantities.seconds, "3600", 3600),
    (quantities.rate, "300", 300),
    (quantities.rate, "300/s", 300),
    (quantities.rate, "1,000", 1000),
    (quantities.rate, "1,234,567.5", 1234567.5),
    (quantities.rate, "1 234 567.5/s", 1234567.5),
    (quantities.seconds, "1 000 ms", 1),
    (quantities.count, "1 000", 1000),
    (quantities.rate, "1e9", 1e9),
    (quantities.rate, "2.5E3", 2500),
    (quantities.rate, "0.5", 0.5),
    (quantities.size, "512M", 512 * MIB),
    (quantities.size, "512 MB", 512 * MIB),
    (quantities.size, "64MiB", 64 * MIB),
    (quantities.size, "1.5 GiB", 1536 * MIB),
    (quantities.size, "2g", 2048 * MIB),
    (quantities.size, "1,048,576", MIB),
    (quantities.size, "2097152 B", 2 * MIB),
    (quantities.count, "4", 4),
    (quantities.count, "1,000", 1000),
    (quantities.count, "1e3", 1000),
    (quantities.share, "5%", 0.05),
    (quantities.share, "0.5 %", 0.005),
]
REFUSED: list[tuple[Callable[..., float], str, str]] = [
    (quantities.seconds, "0,2", "X must be N, not 0,2: write 0.2"),
    (quantities.seconds, ",2", "X must be N, not ,2: write 0.2"),
    (quantities.seconds, "1,000", "X must be N, not 1,000: write 1000 or 1.000"),
    (quantities.seconds, "1,000 ms", "X must be N, not 1,000 ms: write 1000 ms or 1.000 ms"),
    (quantities.seconds, "1,5s", "X must be N, not 1,5s: write 1.5s"),
    (quantities.seconds, "", "X must be N, and is missing"),
    (quantities.seconds, "0", "X must be N, not 0"),
    (quantities.seconds, "-1", "X must be N, not -1"),
    (quantities.seconds, "2m", "X must be N, not 2m"),
    (quantities.seconds, "nan", "X must be N, not nan"),
    (quantities.seconds, "inf", "X must be N, not inf"),
    (quantities.seconds, "1e9", "X must be N, not 1e9"),
    (quantities.seconds, "٣", "X must be N, not ٣"),
    (quantities.rate, "0,2", "X must be N, not 0,2: write 0.2"),
    (quantities.rate, "1,00", "X must be N, not 1,00: write 1.00"),
    (quantities.rate, "1e10", "X must be N, not 1e10"),
    (quantities.rate, "many", "X must be N, not many"),
    (quantities.rate, "a,b", "X must be N, not a,b"),
    (quantities.rate, "1,0,0", "X must be N, not 1,0,0"),
    (quantities.size, "12", "X must be N, not 12: write 12M or 12G"),
    (quantities.size, "1K", "X must be N, not 1K"),
    (quantities.size, "0", "X must be N, not 0"),
    (quantities.size, "512X", "X must be N, not 512X"),
    (quantities.size, "1,5G", "X must be N, not 1,5G: write 1.5G"),
    (quantities.count, "1.5", "X must be N, not 1.5"),
    (quantities.count, "10 00", "X must be N, not 10 00"),
    (quantities.count, "0", "X must be N, not 0"),
    (quantities.count, "10000", "X must be N, not 10000"),
    (quantities.share, "5", "X must be N, not 5"),
    (quantities.share, "0,5%", "X must be N, not 0,5%: write 0.5%"),
]


@pytest.mark.parametrize(("read", "text", "value"), UNDERSTOOD)
def test_understood(read: Callable[..., float], text: str, value: float) -> None:
    assert read("X", text, "N") == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(("read", "text", "said"), REFUSED)
def test_refused(read: Callable[..., float], text: str, said: str) -> None:
    with pytest.raises(BadNumber) as caught:
        read("X", text, "N")
    assert str(caught.value) == said
