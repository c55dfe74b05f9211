"""The named workloads."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from loadtests import catalog
from loadtests.bench import profiles
from loadtests.bench.profiles import Profile, UnknownProfile
from loadtests.workloads import KINDS
from loadtests.workloads.kind import Step

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
    (profile,) = profiles.select("one", written(tmp_path))
    assert (profile.name, profile.settings.users, profile.rounds) == ("one", (1, 10), 2)
    assert profile.steps() == [Step("1-users-100ms", 1), Step("10-users-100ms", 10)]
    assert profile.turn_s() > 2 * 4.1
    assert profile.description() == {
        "title": "x",
        "kind": "delay",
        "users": (1, 10),
        "delay_s": 0.1,
        "rounds": 2,
        "warmup_s": 1.0,
        "window_s": 3.0,
    }


def test_several(tmp_path: Path) -> None:
    path = written(tmp_path)
    path.write_text(path.read_text() + '\n[all]\ntitle = "x"\nprofiles = ["one", "one"]\n')
    assert [profile.name for profile in profiles.select("all", path)] == ["one", "one"]


CHAT = {"kind": '"chat"', "users": None, "delay_s": None}
STALL = {"kind": '"stall"', "users": "[5]", "rate_rps": "50"}
MAP = {"kind": '"map"', "delay_s": None}
PACED = {"kind": '"pollers"', "connections": "[5, 10]"}


@pytest.mark.parametrize(
    ("changes", "steps"),
    [
        (
            {**CHAT, "connections": "[0, 101]", "deliveries_rps": "2000"},
            [Step("chat-0-connections"), Step("chat-101-connections", 1, 101, 20.0, 2000)],
        ),
        (
            {**PACED, "users": "[4]", "rate_rps": "200"},
            [
                Step("pollers-200rps-4-users-5-idle", 4, 5, 200),
                Step("pollers-200rps-4-users-10-idle", 4, 10, 200),
            ],
        ),
        (
            {"kind": '"file"', "users": "[5]", "delay_s": None, "size": "1048576"},
            [Step("file-5-users-1024kib", 5)],
        ),
        (
            {**MAP, "users": "[5]", "delays": "[0.1, 1.0]"},
            [
                Step("map-100ms-5-users", 5, delay_s=0.1),
                Step("map-1000ms-5-users", 5, delay_s=1.0),
            ],
        ),
        (
            {**STALL, "stall_s": "1.0"},
            [Step("stall-closed-5-users", 5), Step("stall-open-50rps", rate_rps=50)],
        ),
        (
            {"kind": '"held"', "users": None, "held": "[0, 5]"},
            [Step("held-0"), Step("held-5", 5)],
        ),
        (
            {"kind": '"composite"', "users": "[5]", "burst_ms": "1.0"},
            [Step("composite-5-users-100ms", 5, burst_s=0.005)],
        ),
    ],
)
def test_the_steps_of_the_kinds(
    tmp_path: Path, changes: dict[str, str | None], steps: list[Step]
) -> None:
    (profile,) = profiles.select("one", written(tmp_path, **changes))
    assert profile.steps() == steps


def test_services_of_processes_get_one_for_each_request(tmp_path: Path) -> None:
    changes = {"kind": '"held"', "users": None, "held": "[0, 5]"}
    (alike,) = profiles.select("one", written(tmp_path, **changes))
    (apart,) = profiles.select("one", written(tmp_path, **changes, processes="[1, 3]"))
    threads = [Step("held-0"), Step("held-5", 5)]
    assert apart.starts("threads") == alike.starts("threads") == [threads]
    assert alike.starts("processes") == [threads]
    assert apart.starts("processes") == [
        [Step("held-1-processes", 1, workers=1)],
        [Step("held-3-processes", 3, workers=3)],
    ]
    another = profiles.GENERATOR_START_S + apart.delay_s
    assert apart.turn_s("processes") == pytest.approx(apart.turn_s() + another, abs=0.05)


def test_an_unknown_profile_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        UnknownProfile,
        match="no profile 'fast'; there are: smoke, quick, standard, clients, churn",
    ):
        profiles.select("fast")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"window_s": "0.25"}, "whole number of delay_s"),
        ({"window_s": "0.0"}, "window_s must be positive"),
        ({"kind": '"composite"', "burst_ms": "1", "window_s": "3.1"}, "0.3 s a request"),
        ({"kind": '"composite"', "cycles": "1"}, "needs burst_ms"),
        ({"delay_s": "0"}, "needs delay_s"),
        ({"delay_s": None}, "needs delay_s"),
        ({"delay_s": "61.0", "window_s": "61.0"}, "delay_s must be from"),
        ({"users": "[]"}, "needs users"),
        ({"users": "[10, 1]"}, "users must rise"),
        ({"users": "[1, 1]"}, "users must rise"),
        ({"users": "[0]"}, "users must rise"),
        ({"users": "10"}, "users must be a list"),
        ({"backend_timeout_s": "0.1"}, "backend_timeout_s must be more"),
        ({"kind": '"held"', "users": None, "held": "[5, 0]"}, "held must rise"),
        ({**MAP, "delays": "[1.0, 2.0]"}, "2 s a request"),
        ({**MAP, "delays": "[1.0, 0.1]"}, "delays must rise"),
        ({**MAP}, "needs delays"),
        ({"kind": '"map"', "delays": "[1.0]"}, "delay_s: not for"),
        ({**STALL, "stall_s": "3.0"}, "stall_s must be less than window_s"),
        ({"rounds": "0"}, "rounds must be 1"),
        ({"rounds": '"three"'}, "not supported between"),
        ({"warmup_s": "-1"}, "warmup_s must not"),
        ({"warmup_s": None}, "warmup_s"),
        ({"users": None}, "users"),
        ({"sped": "1"}, "sped"),
        ({"kind": '"dealy"'}, "kind must be one of delay, clients, composite"),
        ({"cycles": "5"}, "one: cycles: not for a profile of the kind delay"),
        ({**PACED}, "needs rate_rps"),
        ({**PACED, "rate_rps": "-5"}, "must be positive"),
        ({**PACED, "rate_rps": "5", "connections": "[5, 5]"}, "connections must rise"),
        ({**CHAT, "connections": "[0, 1]", "deliveries_rps": "5"}, "nobody hears"),
    ],
)
def test_a_bad_one(tmp_path: Path, changes: dict[str, str | None], reason: str) -> None:
    with pytest.raises(UnknownProfile, match=reason):
        profiles.select("one", written(tmp_path, **changes))


# Services a round, one that is measured again included, and the most minutes.
LENGTHS = {"smoke": (5, 0.75), "quick": (8, 6), "standard": (20, 35), "clients": (24, 21)}
SINGLE = ("smoke", "quick")


def of_the_project(name: str) -> Profile:
    (profile,) = profiles.select(name)
    return profile


def test_the_projects_own_profiles() -> None:
    """The purpose of a profile limits its length; a service has 5 s to start and stop."""
    for name, (services, limit) in LENGTHS.items():
        profile = of_the_project(name)
        assert len(profile.services) + len(profile.again) == services
        turns = services * profile.rounds
        assert turns * (profile.turn_s() + (5 if profile.rounds > 1 else 3)) < limit * 60
    quick, standard = of_the_project("quick"), of_the_project("standard")
    assert (quick.settings.users, quick.delay_s) == ((10, 200, 1000), 0.1)
    assert standard.settings.users == (1, 10, 50, 200, 1000)
    assert (quick.rounds, standard.rounds) == (3, 5)
    assert (quick.again, standard.again) == ((), ("fastapi", "flask-threads"))
    clients = of_the_project("clients")
    assert (clients.delay_s, clients.rounds) == (0.1, 3)
    assert clients.settings.users == (10, 50, 200, 1000)
    churn = of_the_project("churn")
    assert (churn.settings.users, churn.settings.new_connections) == ((50,), True)
    post = of_the_project("http-load")
    assert (post.settings.users, post.delay_s, post.window_s) == ((200,), 2.0, 10.0)


def test_everything_is_all_but_the_short_ones() -> None:
    tables = tomllib.loads(profiles.PROFILES.read_text())
    everything = profiles.select("everything")
    assert [p.name for p in everything] == [
        name for name in tables if name not in (*SINGLE, "publish", "everything")
    ]
    scenarios = [step.scenario for profile in everything for step in profile.steps()]
    assert len(scenarios) == len(set(scenarios))  # one run: they name its points
    assert {profile.kind for profile in everything} == set(KINDS)


def test_no_profile_has_two_rounds() -> None:
    """One round shows that everything runs, or counts; two rounds would give no spread."""
    assert of_the_project("smoke").rounds == of_the_project("faults").rounds == 1
    for profile in [*profiles.select("everything"), of_the_project("quick")]:
        assert profile.rounds >= 3 or profile.of_kind.faulty, profile.name


def test_the_services_that_profiles_name_can_be_measured() -> None:
    for profile in [*profiles.select("everything"), *map(of_the_project, SINGLE)]:
        for name in (*profile.services, *profile.again):
            assert catalog.load(name).has(profile.of_kind.route), (profile.name, name)


def test_stock_services_come_first() -> None:
    """All stock services of their own are in `standard`; `quick` is of those and the mistake."""
    kinds = {name: catalog.load(name).kind for name in catalog.names()}
    quick, standard = of_the_project("quick").services, of_the_project("standard").services
    assert sorted(kinds[name] for name in quick) == ["mistake", *["stock"] * 7]
    variants = {name for name in kinds if any(name.startswith(f"{other}-") for other in standard)}
    stock = {name for name in kinds if kinds[name] == "stock"} - variants
    assert stock - {"django-gunicorn-httpx2"} <= set(standard)
    models = {catalog.load(name).waits for name in standard if kinds[name] == "bare"}
    assert len(models) == 4  # one way of waiting each


def test_threads_are_enough_for_all_that_wait() -> None:
    for profile in profiles.select("everything"):
        of_step = {"held": "users", "chat": "idle_connections"}.get(profile.kind)
        most = max(getattr(step, of_step) for step in profile.steps()) if of_step else 0
        assert most < (profile.concurrency or 1000)
