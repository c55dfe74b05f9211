"""`make compare` of two git revisions: both are measured in one run, and leave nothing behind."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import SETTINGS, Stage
from test_suite import REST, SPEED

from loadtests.bench import instruments, profiles, rounds
from loadtests.bench.plan import Part
from loadtests.catalog import Service
from loadtests.cli.main import run as waits
from loadtests.compare import revisions
from loadtests.record import Point
from loadtests.runtime import environments
from loadtests.runtime.local import LocalRuntime

Compare = Callable[..., tuple[int, str, str]]


def git(folder: Path, *arguments: str) -> str:
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(
        ["git", *who, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def repository(stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkout with the tags `bare`, without any service, `old` with one and `new` with two."""
    folder = tmp_path / "repository"
    (folder / "services").mkdir(parents=True)
    (folder / "README.md").touch()
    (folder / "services" / ".gitkeep").touch()
    git(folder, "init", "--quiet")
    stage("one", "two")
    made = tmp_path / "services"
    shared = [path for path in made.iterdir() if path.is_file()]
    for tag, names in (("bare", ()), ("old", (*shared, made / "one")), ("new", (made / "two",))):
        for path in names:
            subprocess.run(["cp", "-r", str(path), str(folder / "services")], check=True)
        git(folder, "add", "--all")
        git(folder, "commit", "--quiet", "--allow-empty", "-m", tag)
        git(folder, "tag", tag)
    monkeypatch.setattr(revisions, "ROOT", folder)
    monkeypatch.setattr(environments, "share", lambda *_: None)
    monkeypatch.setattr(instruments, "measure", lambda runtime: SPEED | REST)
    return folder


@pytest.fixture
def made(
    repository: Path,
    runtime: LocalRuntime,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Compare:
    """`made("old", "new", "--rounds", "2")`: exit status, stdout and stderr, in no time.

    Points are made up: those of two@B are twice as fast as all others.
    """
    results = tmp_path / "results"
    results.mkdir()

    def measure(service: Service, turn: int, part: Part, *_: object) -> Iterator[Point]:
        fast = 2 if service.label == "two@B" else 1
        rps = 100.0 * fast * (1 + turn / 1000)
        yield Point(
            profile=part.profile.name, service=service.label, scenario="10-users-100ms",
            round=turn, users=10, rate_rps=None, delay_s=0.1, duration_s=1.0, requests=round(rps),
            rps=rps, p99_ms=110.0 + turn / 10, cpu_ms_per_request=1 / rps, rss_bytes=2**25 + turn,
        )  # fmt: skip

    monkeypatch.setattr(rounds, "measure", measure)
    monkeypatch.setattr(LocalRuntime, "__enter__", lambda self: self)

    def make(a: str, b: str, *options: str) -> tuple[int, str, str]:
        usual = ["--profile", "smoke", "--services", "one two", "--results", str(results)]
        status = waits(["compare", "--format", "md", "--all", *usual, *options, a, b])
        said = capsys.readouterr()
        return status, said.out, said.err

    return make


def nothing_is_left(repository: Path) -> bool:
    return len(git(repository, "worktree", "list").splitlines()) == 1


def test_two_revisions(made: Compare, repository: Path) -> None:
    git(repository, "commit", "--quiet", "--allow-empty", "-m", "same")
    status, text, complaints = made("new", "HEAD")
    assert status == 0
    # Two services of two revisions, in 5 rounds.
    assert "[20/" in complaints and "[21/" not in complaints
    assert git(repository, "rev-parse", "new")[:12] in text
    assert len(re.findall(r"\*\*2\.00\b", text)) == 1
    assert "@" not in text[text.index("# A against B") :]
    assert nothing_is_left(repository)


def test_all_take_turns_in_every_round(
    repository: Path, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[tuple[int, str]] = []

    def measure(service: Service, turn: int, *_: object) -> Iterator[Point]:
        assert service.root and (service.root / "folders.py").is_file()
        assert service.folder == service.root / service.name
        order.append((turn, service.label))
        yield from ()

    monkeypatch.setattr(rounds, "measure", measure)
    monkeypatch.setattr(LocalRuntime, "__enter__", lambda self: self)
    commits = {"A": "new", "B": "new"}
    revisions.measured(commits, "smoke", "one two", "auto", "8", {})
    labels = sorted(f"{name}@{mark}" for name in ("one", "two") for mark in "AB")
    turns = [[name for at, name in order if at == turn] for turn in range(1, 9)]
    assert all(sorted(names) == labels for names in turns)
    assert len(set(map(tuple, turns))) > 1


def test_services_of_only_one_revision_are_left_out(made: Compare) -> None:
    _, text, complaints = made("old", "new")
    assert "without two, which A does not have" in complaints
    assert "| one |" in text and "| two |" not in text


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        (("bare", "new"), "A .* has no services/folders.py: revisions from before it cannot"),
        (("new", "none"), "no run.*A and B may be two git revisions, too"),
        (("new", ""), "A and B may be two git revisions, too"),
        (("old", "new", "--services", "two"), "no service that both have: two"),
        (("new", "new", "--runtime", "compose"), "as local processes only"),
        (("new", "new", "--profile", "everything"), "compare one after the other"),
        (("new", "new", "--profile", "none"), "no profile 'none'"),
        (("new", "new", "--rounds", "1"), "ROUNDS must be a whole number from 2 to 9999, not 1"),
    ],
)
def test_revisions_that_cannot_be_compared(
    made: Compare, repository: Path, asked: tuple[str, ...], reason: str
) -> None:
    status, text, complaints = made(*asked)
    assert status == 2
    assert re.search(reason, complaints)
    assert "A against B" not in text
    assert nothing_is_left(repository)


def test_an_interrupt_leaves_nothing(
    made: Compare, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def measure(service: Service, *_: object) -> Iterator[Point]:
        assert len(git(repository, "worktree", "list").splitlines()) == 3
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(rounds, "measure", measure)
    status, _, complaints = made("new", "new")
    assert (status, complaints) == (130, "interrupted: nothing is compared\n")
    assert nothing_is_left(repository)


def test_a_real_one(
    repository: Path, runtime: LocalRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny = profiles.made(
        "tiny", title="", rounds=1, warmup_s=0.1, window_s=0.5, delay_s=0.05, users=[3]
    )
    monkeypatch.setattr(profiles, "select", lambda name: [tiny])
    commits = {"A": "old", "B": "new"}
    run = revisions.measured(commits, "tiny", "one", "local", "2", SETTINGS)
    sides = [revisions.of(run, mark, commit) for mark, commit in commits.items()]
    for side, commit in zip(sides, ("old", "new"), strict=True):
        assert [point.service for point in side.points] == ["one"] * 2
        assert [point.log_tail for point in side.points] == [""] * 2
        wrong = [why for point in side.points for why in point.invalid_because]
        assert [why for why in wrong if "Little's law" not in why] == []  # a pause may break it
        assert (side.commit, list(side.services)) == (commit, ["one"])
        assert side.services["one"]["info"]["service"] == "one"
    assert nothing_is_left(repository)


def test_environments_are_shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environments are shared with this checkout if the lock is the same, or among revisions."""
    ours = tmp_path / ".venvs"
    trees = [tmp_path / "there" / mark / "services" for mark in "AB"]
    locks = {"same": "1", "other": "2"}
    monkeypatch.setattr(environments, "ENVIRONMENTS", ours)
    monkeypatch.setattr(environments, "_lock", lambda name, services=None: locks[name])
    built = []

    def build(folder: Path, name: str, services: Path) -> None:
        built.append(name)
        folder.mkdir(parents=True)
        (folder / "built-from").write_text(locks[name])

    monkeypatch.setattr(environments, "_build", build)
    (ours / "same").mkdir(parents=True)
    (ours / "same" / "built-from").write_text("1")
    for tree in trees:
        tree.mkdir(parents=True)
        environments.share(["same", "other"], tree, tmp_path / "built")
    assert built == ["other"]
    pythons = [[environments.python(name, tree) for tree in trees] for name in locks]
    folders = [{python.parent.parent.resolve() for python in both} for both in pythons]
    assert folders[0] == {ours / "same"}
    assert len(folders[1]) == 1 and folders[1].pop().parent == tmp_path / "built"
