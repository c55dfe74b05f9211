"""Users that wait for the backend, each for itself: `/?delay=…`."""

from __future__ import annotations

from loadtests.load.http_load import HttpLoad
from loadtests.load.users import DelayUser


class Load(HttpLoad):
    """Closed users of the contract's main route, which is checked before any load."""

    user = DelayUser

    def configure(self) -> None:
        DelayUser.delay = f"{self.profile['delay_s']:g}"
        DelayUser.new_connections = self.profile.get("new_connections", False)

    def connections(self) -> int | None:
        """Unknown where each request has one of its own: at an instant many users have none."""
        return None if DelayUser.new_connections else super().connections()
