"""The parts of the contract that are tested with each service, by the files that matter."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadtests import catalog
from tests.contract import parts
from tests.contract.folders import EXHIBITS
from tests.contract.parts import PARTS, asked
from tests.contract.rules import RULES

FILES = {
    "web/app.py": "import client\nimport answers\n",
    "web/answers.py": "",
    "web/client.py": "import wire\n",
    "web/wire.py": "",
    "web/chat.py": "",
    "web/one/serve": "exec one app\n",
    "web/one/fast/client.py": "import bare.socket\nx = 1\n",
    "web/two/serve": "exec two app\n",
    "bare/socket.py": "",
    "other/app.py": "import client\n",
    "other/client.py": "import bare.socket\n",
    "other/serve": "exec python -m app\n",
    "other/lesson/chat.py": "x = 1\n",
    "gate/serve": "exec gate\n",
}
TOML = {
    "web/one": 'server = "one"\noffers = ["/chat"]',
    "web/one/fast": 'server = "one"\nkind = "bare"\noffers = ["/chat"]',
    "web/two": 'server = "two"\noffers = ["/chat"]',
    "other": 'server = "own"\nmodel = "event loop"',
    "other/lesson": 'server = "own"\nkind = "lesson"\nmodel = "event loop"\noffers = ["/chat"]',
    "gate": 'server = "gate"\nkind = "floor"\nmodel = "event loop"',
}
USUAL = 'title = "x"\nframework = "x"\nclient = "x"\nwaits = "x"\n'


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A framework on two servers, one of them with another client, and a second framework."""
    folder = tmp_path / "services"
    for file, text in FILES.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)
    for name, text in TOML.items():
        keys = {line.partition(" ")[0] for line in text.splitlines()}
        missing = {"kind": "stock", "model": "threads"}.items()
        lines = [f'{key} = "{value}"' for key, value in missing if key not in keys]
        (folder / name / "service.toml").write_text("\n".join([USUAL, *lines, text]))
    monkeypatch.setattr(catalog, "SERVICES", folder)
    return folder


ALL = ["other", "other-lesson", "web-one", "web-one-fast", "web-two"]
EXPECTED = {
    "core": ALL,
    "folder": sorted(["gate", *ALL]),
    "app": ["other", "web-one"],
    "client": ["other", "web-one", "web-one-fast"],
    "server": ["other", "web-one", "web-two"],
    "end": ["other-lesson", "web-one-fast"],
    "chat": ["other-lesson", "web-one", "web-two"],
    "file": [],
    "floor": ["gate"],
}


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("part", PARTS)
def test_services_that_a_part_is_tested_with(part: str) -> None:
    assert asked(part) == EXPECTED[part]


CHANGES = {
    "another app": ("web/two/app.py", "import client\n", {"app", "client"}),
    "what the app imports": ("web/two/answers.py", "x = 1\n", {"app", "client"}),
    "what the client imports": ("web/two/wire.py", "x = 1\n", {"client"}),
    "another client": ("web/two/client.py", "import bare.socket\n", {"client"}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_file_adds_parts(services: Path, change: str) -> None:
    file, text, changed = CHANGES[change]
    (services / file).write_text(text)
    again = {part for part in PARTS if "web-two" in asked(part) and "web-two" not in EXPECTED[part]}
    assert again == changed


def test_another_server_by_its_own_files(services: Path) -> None:
    """Modules of a server are those with the name of a word in `serve`."""
    (services / "web/one/fast/server.py").write_text("import app\n")
    assert "web-one-fast" not in asked("server")
    (services / "web/one/serve").write_text("exec one --config server app\n")
    assert {part for part in PARTS if "web-one-fast" in asked(part)} == {
        *("core", "folder", "client", "server", "chat")
    }


def test_other_models_are_asked_again(services: Path) -> None:
    file = services / "web/two/service.toml"
    file.write_text(file.read_text().replace("threads", "greenlets"))
    assert "web-two" in asked("app")
    assert "web-two" in asked("client")


def test_declared_exceptions_are_tested(services: Path) -> None:
    """A declared exception is tested with each service that declares it."""
    with (services / "web/one/fast/service.toml").open("a") as file:
        file.write('\n[exceptions]\n"close list" = "why"\n')
    assert {part for part in PARTS if "web-one-fast" in asked(part)} == {
        *("core", "folder", "client", "server")
    }


@pytest.mark.usefixtures("services")
def test_services_whose_library_decides_on_retries() -> None:
    by_library = {name: parts.retries_by_library(catalog.load(name)) for name in ALL}
    assert by_library == {
        "other": True,
        "other-lesson": True,  # the client of its parent
        "web-one": True,
        "web-one-fast": False,
        "web-two": True,
    }


def test_every_service_is_asked_the_core() -> None:
    assert sorted(asked("core") + asked("floor")) == catalog.names()


@pytest.mark.parametrize("part", sorted(PARTS.keys() - {"end", "folder", "floor"}))
def test_nothing_goes_unasked(part: str) -> None:
    """For every service, one with the same key is tested."""
    own = {r: exhibit for r, exhibit in EXHIBITS.items() if exhibit in parts.EXHIBITS}
    route = {f"/{exhibit.removesuffix('.py')}": r for r, exhibit in own.items()}
    keys = {parts.key(part, catalog.load(name)) for name in asked(part)}
    offering = [s for s in parts.in_order() if s.has(route.get(f"/{part}", "/"))]
    assert {parts.key(part, service) for service in offering} == keys


def test_rules_belong_to_parts() -> None:
    assert set(RULES.values()) <= set(PARTS)
