"""The folders: every service has what it needs, and the checks that say so do find faults."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.catalog import BACKEND, KINDS, SERVICES
from services import folders
from tests.contract import parts
from tests.contract.folders import (
    MAX_LINES_OF_ALL,
    families,
    lines_of_all,
    problems,
    repeated,
    strays,
    twin_problems,
)
from tests.contract.lock import lock_problems, unsatisfied
from tests.contract.rules import RULES

HASH = "--hash=sha256:" + "0" * 64
LOCK = f"""flask==3.1.3 \\
    {HASH} \\
    {HASH}
idna==3.20 ; python_version < '4' \\
    {HASH}
    # via flask
werkzeug==3.1 \\
    {HASH}
    # via
    #   flask
    #   other
markupsafe==3.0 \\
    {HASH}
    # via Werkzeug
other==1 \\
    {HASH}
"""
DESCRIPTION = """title = "x"
framework = "x"
server = "x"
client = "x"
model = "x"
waits = "x"
kind = "stock"
"""


@pytest.mark.part("folder")
def test_folder(name: str) -> None:
    assert problems(name, SERVICES) == []


def test_backend_folder() -> None:
    assert problems(BACKEND, SERVICES) == []


def test_lock() -> None:
    assert lock_problems((SERVICES / folders.LOCK).read_text()) == []


def test_the_contract_names_all_rules() -> None:
    _, _, section = (SERVICES / "CONTRACT.md").read_text().partition("## Exceptions\n")
    assert re.findall(r"^- `([^`]+)`:", section.partition("\n## ")[0], re.MULTILINE) == list(RULES)


def test_nothing_lists_services_by_hand() -> None:
    shared = [SERVICES / file for file in (*folders.SHARED, "folders.py", "Dockerfile")]
    files = [path for path in shared if path.is_file()] + list(Path(__file__).parent.glob("*.py"))
    names = [name for name in folders.names() if "-" in name]  # others are those of libraries
    assert [
        f"{path.name}: {name}"
        for path in files
        for name in names
        if f'"{name}"' in path.read_text()
    ] == []


def test_no_file_is_a_stray() -> None:
    assert strays(SERVICES) == []


def test_all_together_are_short() -> None:
    assert lines_of_all(SERVICES) <= MAX_LINES_OF_ALL


def test_the_same_client_is_the_same_file() -> None:
    """A library's client differs between frameworks in nothing."""
    of_all = families(parts.in_order())
    found = {family: twin_problems(sorted(files)) for family, files in of_all.items()}
    assert {family: problems for family, problems in found.items() if problems} == {}


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A service `a`, and a variant of it that differs in its client, with nothing wrong."""
    files = {
        "requirements.txt": LOCK,
        "gunicorn_x.py": "from gunicorn_y import timeout\n",
        "gunicorn_y.py": "timeout = 120\n",
        "a/app.py": '"""One.\n\nThree\nfour\nfive.\n"""\n',
        "a/client.py": "x = 1\n",
        "a/chat.py": "",
        "a/serve": "#!/bin/sh\n# why\nset -eu\na\nb\nc\nd\nexec python -m app\n",
        "a/service.toml": DESCRIPTION,
        "a/requirements.in": "Flask>=3  # why\nidna\n",
        "a/README.md": "# x\n",
        "a/b/client.py": "x = 2\n",
        "a/b/service.toml": DESCRIPTION.replace("stock", "bare"),
    }
    for file, text in files.items():
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(text)
    return tmp_path


def test_a_good_folder_has_no_problems(services: Path) -> None:
    assert problems("a", services) == []
    assert problems("a-b", services) == []
    assert strays(services) == ["gunicorn_x.py", "gunicorn_y.py"]
    after('offers = ["/chat"]\nlimit = "why"\n[exceptions]\nkeep-alive = "why"')(services)
    serve = "#!/bin/sh\nset -eu\nexec gunicorn app:app \\\n  --workers 1 \\\n --timeout 0\n"
    (services / "a/serve").write_text(serve)
    assert problems("a", services) == []
    (services / "gunicorn_y.py").write_text("timeout = 0\n")
    (services / "a/serve").write_text("#!/bin/sh\nexec gunicorn --config python:gunicorn_x a\n")
    assert problems("a", services) == []


@pytest.mark.parametrize("file", ["app.py", "serve", "requirements.in", "README.md"])
def test_a_missing_file_is_found(services: Path, file: str) -> None:
    (services / "a" / file).unlink()
    assert problems("a", services) == [f"{file} is missing"]
    assert problems("a-b", services) == [f"{file} is missing"]


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def doctor(services: Path) -> None:
        before = (services / file).read_text()
        changed = before.replace(old, new)
        assert changed != before
        (services / file).write_text(changed)

    return doctor


def after(text: str) -> Callable[[Path], None]:
    def doctor(services: Path) -> None:
        with (services / "a/service.toml").open("a") as file:
            file.write(f"{text}\n")

    return doctor


def new(file: str, text: str = "") -> Callable[[Path], None]:
    return lambda services: (services / file).write_text(text) and None


TOML = "a/service.toml"
DOCTORED: dict[str, tuple[Callable[[Path], None], str]] = {
    "no shebang": (replaced("a/serve", "#!/bin/sh\n", ""), "what runs it"),
    "seven commands": (replaced("a/serve", "d\n", "d\ne\n"), "7 commands"),
    "no exec": (replaced("a/serve", "exec ", ""), "end in exec"),
    "something after exec": (replaced("a/serve", "app\n", "app\nwait\n"), "end in exec"),
    "a timeout": (replaced("a/serve", "python -m app", "gunicorn app:app"), "has to be 0"),
    "a timeout in a file": (
        replaced("a/serve", "python -m app", "gunicorn app:app --config python:gunicorn_x"),
        "has to be 0",
    ),
    "long docstring": (replaced("a/app.py", "five.", "five.\nsix."), "has 6 lines"),
    "no docstring": (replaced("a/app.py", '"""One', 'x = """One'), "no docstring"),
    "long app": (replaced("a/app.py", '"""One', "\n" * 121 + '"""One'), "app.py has 127 lines"),
    "long client": (new("a/client.py", "\n" * 66), "client.py has 66 lines"),
    "title missing": (replaced(TOML, "title", "titel"), "lacks title"),
    "unknown key": (replaced(TOML, "title", 'y = "y"\ntitle'), "has y"),
    "kind missing": (replaced(TOML, 'kind = "stock"', ""), "lacks kind"),
    "unknown kind": (replaced(TOML, "stock", "good"), f"none of {KINDS[0]}"),
    "empty title": (replaced(TOML, 'title = "x"', 'title = ""'), "says nothing"),
    "empty limit": (after('limit = " "'), "limit in service.toml says nothing"),
    "no TOML": (replaced(TOML, 'title = "x"', "title"), "service.toml:"),
    "offers nothing": (after("offers = []"), "no list of routes"),
    "offers no list": (after('offers = "/chat"'), "no list of routes"),
    "offers what nobody knows": (after('offers = ["/line"]'), "names /line"),
    "offers what all have": (after('offers = ["/cpu"]'), "names /cpu"),
    "offers what it has not": (after('offers = ["/file"]'), "file.py is missing, for /file"),
    "unknown rule": (after('[exceptions]\nspeed = "y"'), "names speed"),
    "no reason": (after('[exceptions]\nkeep-alive = " "'), "no reason for keep-alive"),
    "a number for a reason": (after("[exceptions]\nkeep-alive = 1"), "no reason for keep-alive"),
    "advice on what nobody sets": (after('[advice]\nkernel = "y"'), "[advice] in service.toml has"),
    "advice that says nothing": (after('[advice]\nserver = ""'), "says nothing of server"),
    "a number that nobody knows": (after('[advice]\nserver = "x {cpus}"'), "known for {cpus}"),
    "advice is no table": (after('advice = "y"'), "advice in service.toml is not a table"),
    "TLS in other words": (after('tls = "yes"'), "tls in service.toml is neither true nor false"),
    "no table": (after('exceptions = "keep-alive"'), "not a table"),
    "empty README": (replaced("a/README.md", "# x", ""), "README.md is empty"),
    "not in the lock": (replaced("a/requirements.in", "idna", "six"), "six is not pinned"),
    "pin too old": (replaced("a/requirements.in", ">=3", ">=3.2"), "3.1.3 is not >=3.2"),
    "pin too new": (replaced("a/requirements.in", ">=3", "<3"), "3.1.3 is not <3"),
    "a standard module": (new("a/select.py", "x = 1\n"), "select.py has the name of a module"),
}


@pytest.mark.parametrize("way", DOCTORED)
def test_a_doctored_folder_is_found(services: Path, way: str) -> None:
    doctor, expected = DOCTORED[way]
    doctor(services)
    assert any(expected in problem for problem in problems("a", services)), problems("a", services)


def test_a_file_that_the_parent_has_is_found(services: Path) -> None:
    (services / "a/b/client.py").write_text("x = 1\n")
    assert repeated("a-b", services) == ["client.py is that of a"]
    assert problems("a-b", services) == ["client.py is that of a"]


def test_a_stray_is_found(services: Path) -> None:
    (services / "c").mkdir()
    (services / "c/app.py").write_text("")
    (services / "a/b/c").mkdir()
    (services / "a/b/c/client.py").write_text("")
    assert set(strays(services)) >= {"a/b/c/client.py", "c/app.py"}


def test_all_lines_are_counted(services: Path) -> None:
    (services / "contract.py").write_text("x = 1\ny = 2\n")
    (services / "backend").mkdir()
    (services / "backend/app.py").write_text("x = 1\n" * 1000)
    assert lines_of_all(services) == 6 + 1 + 1 + 1 + 1 + 2


DOCTORED_LOCKS: dict[str, tuple[str, str, str]] = {
    "range instead of a pin": ("flask==", "flask>=", "exact pin"),
    "wildcard pin": ("3.1.3", "3.1.*", "exact pin"),
    "no hashes": (f" \\\n    {HASH}", "", "has no hash"),
    "weak hash": ("sha256", "md5", "has no hash"),
    "index": ("flask==", "--index-url https://pypi.example/simple\nflask==", "address"),
    "links": ("flask==", "-f wheels\nflask==", "address or an option"),
    "direct address": ("idna==3.20", "idna @ https://pypi.example/idna.whl", "address"),
    "no requirement": ("idna==3.20", "idna==", "no requirement"),
}


@pytest.mark.parametrize("way", DOCTORED_LOCKS)
def test_a_doctored_lock_is_found(way: str) -> None:
    old, new, expected = DOCTORED_LOCKS[way]
    assert lock_problems(LOCK) == []
    assert any(expected in problem for problem in lock_problems(LOCK.replace(old, new)))


def test_unsatisfied_requirements_are_found() -> None:
    assert unsatisfied("Flask>=3\nidna\n", LOCK) == []
    assert unsatisfied("Flask>=4\nsix\n", LOCK) == ["Flask 3.1.3 is not >=4", "six is not pinned"]


def test_twins_that_differ_are_found(tmp_path: Path) -> None:
    twins = [tmp_path / "a", tmp_path / "b"]
    for twin in twins:
        twin.write_text("x = 1\n")
    assert twin_problems(twins) == []
    twins[1].write_text("x = 1 \n")
    assert twin_problems(twins) == [f"{twins[1]} is not {twins[0]}"]


def test_pins_of_requirements_and_their_dependencies(services: Path) -> None:
    def packages(direct: str) -> list[str]:
        (services / "a/requirements.in").write_text(direct)
        lines = folders.pins("a", services).splitlines()
        return [line.partition("==")[0] for line in lines if "==" in line]

    assert packages("idna\n") == ["idna"]
    assert packages("# nothing\nother  # why\n") == ["werkzeug", "markupsafe", "other"]
    assert packages("Flask[async]>=3\n") == ["flask", "idna", "werkzeug", "markupsafe"]
    assert lock_problems(folders.pins("a", services)) == []
    assert folders.pins("a-b", services) == folders.pins("a", services)


def test_pins_of_a_package_that_is_not_in_the_lock(services: Path) -> None:
    (services / "a/requirements.in").write_text("six\nflask\n")
    with pytest.raises(ValueError, match="services/a: six not in the lock"):
        folders.pins("a", services)
