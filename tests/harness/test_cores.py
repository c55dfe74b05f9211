"""Which two cores a run gets, and what it says of a machine on which they are less than that."""

from __future__ import annotations

from pathlib import Path

import pytest
import runs
from pages import page

from loadtests import record
from loadtests.bench import cores

ALONE = ("0", "1", "2", "3")
IN_PAIRS = ("0-1", "0-1", "2-3", "2-3")
HALVES = ("0,2", "1,3", "0,2", "1,3")


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system of which nothing is known yet."""
    monkeypatch.setattr(cores, "TOPOLOGY", tmp_path / "cpu")
    monkeypatch.setattr(cores, "CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(cores, "OWN_CGROUPS", tmp_path / "own")
    return tmp_path


def threads(system: Path, of: tuple[str, ...]) -> None:
    for number, listed in enumerate(of):
        folder = system / f"cpu/cpu{number}/topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(f"{listed}\n")


@pytest.mark.parametrize(
    ("of", "allowed", "pair"),
    [
        (ALONE, (0, 1, 2, 3), ({0}, {1})),
        (IN_PAIRS, (0, 1, 2, 3), ({0}, {2})),
        (IN_PAIRS, (1, 3), ({1}, {3})),
        (HALVES, (0, 1, 2, 3), ({0}, {1})),
        (HALVES, (0, 2, 3), ({0}, {3})),
        (IN_PAIRS, (2, 3), ({2}, {3})),  # there is no other
        (IN_PAIRS, (2,), None),
        ((), (0, 1, 2, 3), ({0}, {1})),  # nothing is known
    ],
)
def test_two_threads_of_a_core_are_not_taken_for_two(
    system: Path,
    of: tuple[str, ...],
    allowed: tuple[int, ...],
    pair: tuple[set[int], set[int]] | None,
) -> None:
    threads(system, of)
    assert cores.split(allowed) == pair


@pytest.mark.parametrize(
    ("of", "allowed", "service", "load"),
    [
        (ALONE, (0, 1), {0, 1}, {0, 1}),  # too few for one each
        (ALONE, (0, 1, 2, 3), {0, 1, 2}, {3}),
        (ALONE, (1, 2, 3), {1, 2}, {3}),
        (IN_PAIRS, (0, 1, 2, 3), {0, 2}, {0, 2}),
        ((*IN_PAIRS, "4-5", "4-5"), (0, 1, 2, 3, 4, 5), {0, 2}, {4}),
        (IN_PAIRS, (1, 2, 3), {1, 2}, {1, 2}),
        (IN_PAIRS, (2, 3), {2, 3}, {2, 3}),  # there are no others
        ((), (0, 1, 2), {0, 1}, {2}),
    ],
)
def test_a_service_of_several_processes_has_what_the_load_leaves(
    system: Path, of: tuple[str, ...], allowed: tuple[int, ...], service: set[int], load: set[int]
) -> None:
    threads(system, of)
    assert cores.spread(allowed) == (service, load)
    assert cores.spread(allowed[:1]) is None


def test_so_many_processes_are_tried() -> None:
    found = [cores.processes(most) for most in (1, 2, 3, 4, 7)]
    assert found == [(1,), (1, 2), (1, 2, 3), (1, 2, 4), (1, 2, 4, 7)]


def test_the_threads_of_another_system_are_not_known(system: Path) -> None:
    threads(system, IN_PAIRS)
    assert cores.split(range(4), known=False) == ({0}, {1})


@pytest.mark.parametrize(
    ("of", "processes", "load"),
    [
        ((), 2, {1, 2}),
        ((), 9, {1, 2, 3}),  # there are no more
        (HALVES, 2, {1}),  # the other one is a thread of it
        (IN_PAIRS, 2, {2}),
    ],
)
def test_each_process_of_the_load_has_a_core(
    system: Path, of: tuple[str, ...], processes: int, load: set[int]
) -> None:
    threads(system, of)
    assert cores.split(range(4), load=processes) == ({0}, load)


def limited(system: Path, own: str, **files: str) -> None:
    """A process in the cgroups `own`, and files with limits; `__` in their names is a `/`."""
    (system / "own").write_text(own)
    for name, text in files.items():
        path = system / "cgroup" / name.replace("__", "/").replace("cpu_", "cpu.")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")


def test_a_quota(system: Path) -> None:
    assert cores.quota() is None
    limited(system, "0::/a/b\n", a__b__cpu_max="max 100000")
    assert cores.quota() is None
    limited(system, "0::/a/b\n", a__cpu_max="150000 100000")
    assert cores.quota() == 1.5
    limited(system, "0::/a/b\n", a__b__cpu_max="50000 100000")
    assert cores.quota() == 0.5


@pytest.mark.parametrize("path", ["/", "/not/seen/from/here", "/../.."])
def test_a_quota_in_a_container(system: Path, path: str) -> None:
    limited(system, f"0::{path}\n", cpu_max="250000 100000")
    assert cores.quota() == 2.5


def test_a_quota_of_version_1(system: Path) -> None:
    own = "9:memory:/m\n2:cpu,cpuacct:/a/b\n0::/\n"
    unlimited = {"cpu,cpuacct__a__b__cpu_cfs_quota_us": "-1"}
    period = {"cpu,cpuacct__a__b__cpu_cfs_period_us": "100000"}
    limited(system, own, **unlimited, **period)
    assert cores.quota() is None
    above = {"cpu,cpuacct__a__cpu_cfs_quota_us": "120000"}
    limited(system, own, **above, **{"cpu,cpuacct__a__cpu_cfs_period_us": "100000"})
    assert cores.quota() == 1.2


def test_this_system() -> None:
    assert cores.quota() is None or cores.quota() > 0  # type: ignore[operator]
    if pair := cores.split():
        assert len(set.union(*pair)) == 2


@pytest.mark.parametrize(
    ("about", "said"),
    [
        ({}, []),
        ({"quota_cores": None, "thread_siblings": []}, []),
        ({"quota_cores": 2.0, "thread_siblings": ["0,2", "1,3"]}, []),
        ({"quota_cores": 1.5}, ["a quota lets the bench use 1.5 cores where"]),
        ({"thread_siblings": ["0-1", "0-1"]}, ["service and load are on two threads of one core"]),
    ],
)
def test_a_machine_that_is_not_fit_is_told(
    tmp_path: Path, about: dict[str, object], said: list[str]
) -> None:
    made = runs.made_up(users=(10,))
    made.machine |= about
    found = cores.warnings(made.machine)
    assert [text.startswith(start) for text, start in zip(found, said, strict=True)] == [
        True for _ in said
    ]
    shown = page(made, tmp_path).text
    (markdown,) = tmp_path.rglob("report.md")
    for text in found:
        assert f"Warning: {text}." in shown
        assert f"**Warning: {text}.**" in markdown.read_text()
    assert ("Warning: " in shown) == bool(said)
    assert record.load(markdown.with_name("run.json")).machine == made.machine
