"""A room of WebSockets, in which each message goes to all."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from loadtests.workloads.kind import Kind, Settings, Step, positive, rising


@dataclass(frozen=True, kw_only=True)
class Chat(Settings):
    """How many are in the room, and how many messages all of them get a second."""

    connections: tuple[int, ...]
    deliveries_rps: float

    def steps(self, profile: str) -> Iterable[Step]:
        """One of all sends, more rarely the more there are; 0 is the service at rest."""
        for connections in self.connections:
            name = f"chat-{connections}-connections"
            if connections:
                rate = self.deliveries_rps / (connections - 1)
                yield Step(name, 1, connections, rate, self.deliveries_rps)
            else:
                yield Step(name)

    def mistakes(self, window_s: float) -> Iterable[str]:
        """Of each value for itself; and one connection alone is no room."""
        yield rising("connections", self.connections, 0)
        yield positive("deliveries_rps", self.deliveries_rps)
        yield "nobody hears the only connection" if 1 in self.connections else ""


KIND = Kind(settings=Chat, route="/chat", tolerated=0, at_rest=True, answers=False)
