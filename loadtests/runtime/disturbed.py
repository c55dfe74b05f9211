"""A backend's container that is disturbed from outside: killed, frozen, without its name."""

from __future__ import annotations

from loadtests.catalog import BACKEND
from loadtests.runtime import ServiceFailed
from loadtests.runtime.engine import Engine


class Disturbed:
    """Disturbs the container of the backend, and undoes it; one thing at a time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._undo: tuple[str, ...] = ()

    def disturb(self, container: str, fault: str) -> None:
        """Do what `fault` says; ServiceFailed where the engine refuses."""
        network = self._network(container) if fault == "no-name" else ""
        does, undoes = {
            "kill": (("kill", container), ("start", container)),
            "freeze": (("pause", container), ("unpause", container)),
            "no-name": (
                ("network", "disconnect", network, container),
                ("network", "connect", "--alias", BACKEND, network, container),
            ),
        }[fault]
        self._undo = undoes
        self._docker(*does)

    def mend(self) -> bool:
        """Undo it; whether there was anything to undo."""
        undo, self._undo = self._undo, ()
        if undo:
            self._docker(*undo)
        return bool(undo)

    def _network(self, container: str) -> str:
        about = self._engine.ask("GET", f"/containers/{container}/json")
        (name,) = about["NetworkSettings"]["Networks"]
        return str(name)

    def _docker(self, *arguments: str) -> None:
        status, said = self._engine.docker(*arguments)
        if status:
            raise ServiceFailed(f"docker {' '.join(arguments[:2])} failed", said)
