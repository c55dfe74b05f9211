"""The named workloads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from loadtests import profiles
from loadtests.profiles import UnknownProfile

GOOD = {
    "title": '"x"',
    "users": "[1, 10]",
    "delay_s": "0.1",
    "rounds": "2",
    "warmup_s": "1.0",
    "window_s": "3.0",
}


def written(folder: Path, **changes: str | None) -> Path:
    """A file with one profile, `one`; None leaves a key out."""
    lines = [f"{key} = {value}" for key, value in {**GOOD, **changes}.items() if value is not None]
    (folder / "profiles.toml").write_text("\n".join(["[one]", *lines]))
    return folder / "profiles.toml"


def test_a_profile(tmp_path: Path) -> None:
    profile = profiles.load("one", written(tmp_path))
    assert (profile.name, profile.users, profile.rounds) == ("one", (1, 10), 2)
    assert profile.scenario(10) == "10-users-100ms"
    assert profile.seconds(services=5) == pytest.approx(5 * 2 * 2 * 4.1)


def test_an_unknown_one_names_those_there_are() -> None:
    with pytest.raises(
        UnknownProfile, match="no profile 'fast'; there are: smoke, quick, standard, http-load"
    ):
        profiles.load("fast")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"window_s": "0.25"}, "whole number of delay_s"),
        ({"window_s": "0.0"}, "whole number of delay_s"),
        ({"delay_s": "0"}, "delay_s must be from"),
        ({"delay_s": "61.0", "window_s": "61.0"}, "delay_s must be from"),
        ({"users": "[]"}, "users must rise"),
        ({"users": "[10, 1]"}, "users must rise"),
        ({"users": "[1, 1]"}, "users must rise"),
        ({"users": "[0]"}, "users must rise"),
        ({"users": "10"}, "not iterable"),
        ({"rounds": "0"}, "rounds must be 1"),
        ({"warmup_s": "-1"}, "warmup_s must not"),
        ({"warmup_s": None}, "warmup_s"),
        ({"users": None}, "users"),
        ({"sped": "1"}, "sped"),
    ],
)
def test_a_bad_one(tmp_path: Path, changes: dict[str, str | None], reason: str) -> None:
    with pytest.raises(UnknownProfile, match=reason):
        profiles.load("one", written(tmp_path, **changes))


def test_those_of_the_project() -> None:
    """What each is for decides how long it may take: five services, 3 s a start, 1 s a level."""
    names = tomllib.loads(profiles.PROFILES.read_text())
    loaded = {name: profiles.load(name) for name in names}
    assert list(loaded) == ["smoke", "quick", "standard", "http-load"]
    limits_s = {"smoke": 45, "quick": 300, "standard": 900}
    for name, limit_s in limits_s.items():
        starts = 5 * loaded[name].rounds
        spent_s = loaded[name].seconds(5) + starts * (3 + len(loaded[name].users))
        assert spent_s < limit_s
    assert (loaded["quick"].users, loaded["quick"].delay_s) == ((10, 200, 1000), 0.1)
    assert loaded["standard"].users == (1, 10, 50, 200, 1000)
    assert loaded["quick"].rounds == loaded["standard"].rounds == 3
    post = loaded["http-load"]
    assert (post.users, post.delay_s, post.window_s) == ((200,), 2.0, 10.0)
