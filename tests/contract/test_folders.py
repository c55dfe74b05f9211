"""The folders: every service has what it needs, and the checks that say so do find faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from loadtests.catalog import BACKEND, REQUIRED_FILES, SERVICES
from tests.contract.folders import problems, twin_problems

TWINS = [  # the same code, several ways to run it
    ["flask-threads", "flask-gevent", "flask-granian", "flask-pywsgi"],
    ["scratch-select", "scratch-poll", "scratch-epoll"],
]
HASH = "--hash=sha256:" + "0" * 64
LOCK = f"""flask==3.1.3 \\
    {HASH} \\
    {HASH}
idna==3.20 ; python_version < '4' \\
    {HASH}
"""


def test_folder(name: str) -> None:
    assert problems(SERVICES / name) == []


def test_backend_folder() -> None:
    required = tuple(file for file in REQUIRED_FILES if file != "service.toml")
    assert problems(SERVICES / BACKEND, required) == []


@pytest.mark.parametrize("twins", TWINS, ids=lambda twins: twins[0].partition("-")[0])
def test_twins(twins: list[str]) -> None:
    assert twin_problems([SERVICES / twin for twin in twins]) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with nothing wrong."""
    keys = ("title", "framework", "server", "client", "model", "waits")
    files = {
        "app.py": '"""One.\n\nThree\nfour\nfive.\n"""\n',
        "serve": "#!/bin/sh\n# why\nset -eu\na\nb\nc\nd\nexec python app.py\n",
        "service.toml": "".join(f'{key} = "x"\n' for key in keys),
        "requirements.in": "Flask>=3  # why\nidna\n",
        "requirements.txt": LOCK,
        "README.md": "# x\n",
    }
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    (tmp_path / "serve").chmod(0o755)
    return tmp_path


def test_a_good_folder_has_no_problems(folder: Path) -> None:
    assert problems(folder) == []
    cannot_too('"/chat" = "why"')(folder)
    (folder / "serve").write_text("#!/bin/sh\nset -eu\nexec gunicorn app:app \\\n  --workers 1\n")
    assert problems(folder) == []


@pytest.mark.parametrize("file", REQUIRED_FILES)
def test_a_missing_file_is_found(folder: Path, file: str) -> None:
    (folder / file).unlink()
    assert problems(folder) == [f"{file} is missing"]


def replaced(file: str, old: str, new: str) -> Callable[[Path], None]:
    def doctor(folder: Path) -> None:
        before = (folder / file).read_text()
        after = before.replace(old, new)
        assert after != before
        (folder / file).write_text(after)

    return doctor


def cannot_too(line: str) -> Callable[[Path], None]:
    def doctor(folder: Path) -> None:
        with (folder / "service.toml").open("a") as file:
            file.write(f"[cannot]\n{line}\n")

    return doctor


DOCTORED: dict[str, tuple[Callable[[Path], None], str]] = {
    "not executable": (lambda folder: (folder / "serve").chmod(0o644), "not executable"),
    "no shebang": (replaced("serve", "#!/bin/sh\n", ""), "what runs it"),
    "seven commands": (replaced("serve", "d\n", "d\ne\n"), "7 lines"),
    "no exec": (replaced("serve", "exec ", ""), "end in exec"),
    "something after exec": (replaced("serve", "app.py\n", "app.py\nwait\n"), "end in exec"),
    "long docstring": (replaced("app.py", "five.", "five.\nsix."), "has 6 lines"),
    "no docstring": (replaced("app.py", '"""One', 'x = """One'), "no docstring"),
    "title missing": (replaced("service.toml", "title", "titel"), "lacks title"),
    "unknown key": (replaced("service.toml", "title", 'x = "y"\ntitle'), "has x"),
    "unknown route": (cannot_too('"/x" = "y"'), "names /x"),
    "no reason": (cannot_too('"/chat" = " "'), "no reason for /chat"),
    "a number for a reason": (cannot_too('"/chat" = 501'), "no reason for /chat"),
    "no table": (replaced("service.toml", "title", 'cannot = "/chat"\ntitle'), "not a table"),
    "empty title": (replaced("service.toml", 'title = "x"', 'title = ""'), "says nothing"),
    "no TOML": (replaced("service.toml", 'title = "x"', "title"), "service.toml:"),
    "empty README": (replaced("README.md", "# x", ""), "README.md is empty"),
    "not pinned": (replaced("requirements.in", "idna", "six"), "six is not pinned"),
    "pin too old": (replaced("requirements.in", ">=3", ">=3.2"), "3.1.3 is not >=3.2"),
    "pin too new": (replaced("requirements.in", ">=3", "<3"), "3.1.3 is not <3"),
    "range instead of a pin": (replaced("requirements.txt", "flask==", "flask>="), "exact pin"),
    "wildcard pin": (replaced("requirements.txt", "3.1.3", "3.1.*"), "exact pin"),
    "no hashes": (replaced("requirements.txt", f" \\\n    {HASH}", ""), "has no hash"),
    "weak hash": (replaced("requirements.txt", "sha256", "md5"), "has no hash"),
    "index": (
        replaced("requirements.txt", "flask", "--index-url https://pypi.example/simple\nflask"),
        "address",
    ),
    "links": (replaced("requirements.txt", "flask", "-f wheels\nflask"), "address or an option"),
    "direct address": (
        replaced("requirements.txt", "idna==3.20", "idna @ https://pypi.example/idna.whl"),
        "address",
    ),
}


@pytest.mark.parametrize("way", DOCTORED)
def test_a_doctored_folder_is_found(folder: Path, way: str) -> None:
    doctor, expected = DOCTORED[way]
    doctor(folder)
    assert any(expected in problem for problem in problems(folder)), problems(folder)


def test_twins_that_differ_are_found(tmp_path: Path) -> None:
    twins = [tmp_path / "a", tmp_path / "b"]
    for twin in twins:
        twin.mkdir()
        (twin / "app.py").write_text("x = 1\n")
    assert twin_problems(twins) == []
    (twins[1] / "app.py").write_text("x = 1 \n")
    assert twin_problems(twins) == ["app.py of b is not that of a"]
    (twins[1] / "app.py").write_text("x = 1\n")
    (twins[1] / "loop.py").write_text("y = 2\n")
    assert twin_problems(twins) == ["loop.py of b is not that of a"]
