"""Delays that are drawn: what a text means, and that all services get the same ones."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from statistics import fmean

import pytest

from loadtests.bench.profiles import Profile, UnknownProfile, made
from loadtests.workloads import delays

SHAPES = {"constant 0.1": 0.0, "lognormal 0.1 1": 1.718, "bimodal 0.05 3 0.01": 13.6}


@pytest.mark.parametrize("text", SHAPES)
def test_what_is_drawn_has_the_mean_that_is_said(text: str) -> None:
    """And, roughly, the variation: that of few long ones is itself uncertain."""
    found = delays.parse(text)
    drawn = list(islice(found.drawn("a seed"), 40_000))
    assert fmean(drawn) == pytest.approx(found.mean_s, rel=0.05)
    assert found.variation == pytest.approx(SHAPES[text], rel=0.01, abs=1e-9)
    squares = fmean(delay_s**2 for delay_s in drawn)
    assert squares == pytest.approx(found.squares_s2, rel=0.3)
    assert all(round(1000 * delay_s, 6) % 1 == 0 for delay_s in drawn)


def test_a_seed_gives_the_same_sequence_again() -> None:
    found = delays.parse("lognormal 0.1 1")
    one, again, other = (list(islice(found.drawn(seed), 50)) for seed in ("1 2", "1 2", "1 3"))
    assert one == again != other


def test_a_file_is_replayed_in_its_order(tmp_path: Path) -> None:
    """One delay a line, from the beginning again at its end, for a generator without the file."""
    path = tmp_path / "delays.txt"
    path.write_text("0.2\n0.1\n0.3\n")
    found = delays.parse(delays.spelled(f"file {path}"))
    assert list(islice(found.drawn("any"), 5)) == [0.2, 0.1, 0.3, 0.2, 0.1]
    assert (found.name, found.mean_s) == ("recorded", pytest.approx(0.2))
    assert [found.quantile(share) for share in (0.0, 0.5, 0.99)] == [0.1, 0.2, 0.3]


WRONG = {
    "": "delays must be constant S",
    "gamma 1 2": "delays must be constant S",
    "constant": "delays must be constant S",
    "constant much": "a number of seconds such as 0.1, not 'much'",
    "constant 0": "from 0.001 to 60",
    "constant nan": "from 0.001 to 60",
    "lognormal 0.1 -1": "sigma",
    "bimodal 3 0.05 0.01": "rise",
    "bimodal 0.05 3 1": "between 0 and 1",
    "file /nowhere": "No such file",
    "recorded 0.1 x": "a number of seconds such as 0.1, not 'x'",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_mistake_is_told(text: str) -> None:
    with pytest.raises(delays.WrongDelays, match=WRONG[text]):
        delays.parse(text)


@pytest.mark.parametrize("line", ["0", "61", "nan", "x"])
def test_a_mistake_in_a_file_is_told(tmp_path: Path, line: str) -> None:
    path = tmp_path / "delays.txt"
    path.write_text(f"0.1\n{line}\n")
    with pytest.raises(delays.WrongDelays, match=r"delay 2 of the file|not 'x'"):
        delays.parse(f"file {path}")


def profile(text: str) -> Profile:
    return made(
        "mine", kind="tail", title="x", delays=(text,), rate_rps=10, rounds=1,
        warmup_s=0, window_s=1,
    )  # fmt: skip


def test_a_profile_says_what_is_wrong_with_its_delays() -> None:
    with pytest.raises(UnknownProfile, match="mine: delays must be constant S"):
        profile("gamma")


NOT_AS_DRAWN = {
    "constant 0.0015": "whole milliseconds, not 1.5 ms",
    "lognormal 60 1": "mean of these delays is .* instead of 6e.04 ms, more than 1 % from it",
    "lognormal 0.001 1": "instead of 1 ms",
    "bimodal 0.0014 0.1 0.001": "instead of 1.499 ms",
    "recorded 0.0015 0.0015": "instead of 1.5 ms",
}


@pytest.mark.parametrize("text", NOT_AS_DRAWN)
def test_a_profile_has_no_delays_whose_mean_is_not_what_is_drawn(text: str) -> None:
    """They are read, though, where an earlier run has them."""
    with pytest.raises(UnknownProfile, match=NOT_AS_DRAWN[text]):
        profile(text)
    assert delays.parse(text).mean_s > 0


@pytest.mark.parametrize("text", [*SHAPES, "lognormal 5 1", "bimodal 0.001 60 0.0001"])
def test_the_mean_of_what_is_drawn_is_known(text: str) -> None:
    assert delays.mistake(text) == ""
    found = delays.parse(text)
    assert found.drawn_mean_s == pytest.approx(found.mean_s, rel=0.01)
