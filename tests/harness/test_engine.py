"""The Docker Engine, as the harness asks it: what must be gone is gone, however long that takes."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from loadtests.runtime import engine
from loadtests.runtime.engine import Engine, EngineError


class Busy(Engine):
    """It takes `seconds` of a clock of its own to remove a container or a network."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, containers: int, seconds: float) -> None:
        self.there = {f"containers/{number}" for number in range(containers)} | {"networks/0"}
        self.seconds, self.now = seconds, 0.0
        clock = SimpleNamespace(monotonic=lambda: self.now, sleep=self.wait)
        monkeypatch.setattr(engine, "time", clock)

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def ask(self, method: str, path: str, *_: Any) -> Any:
        kind, _, name = path.strip("/").removesuffix("/json").partition("/")
        if method == "DELETE":
            self.wait(self.seconds)
            self.there -= {f"{kind}/{name}"} if self.seconds < 1000 else set()
            return {}
        if not name:
            return [{"Id": one.split("/")[1]} for one in sorted(self.there) if one[0] == kind[0]]
        return {"State": {"Running": True}} if f"{kind}/{name}" in self.there else None


def test_many_containers_have_as_much_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = Busy(monkeypatch, containers=40, seconds=10)
    busy.remove_project("a-project")
    assert not busy.there
    assert busy.now > 5 * engine.REMOVAL_S


@pytest.mark.parametrize("containers", [0, 2])
def test_what_stays_is_told(monkeypatch: pytest.MonkeyPatch, containers: int) -> None:
    stuck = Busy(monkeypatch, containers, seconds=1000)
    with pytest.raises(EngineError, match="could not be removed"):
        stuck.remove_project("a-project")
    assert stuck.now < 5000
