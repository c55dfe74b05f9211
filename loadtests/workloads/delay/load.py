"""Users that wait for the backend, each for itself: `/?delay=…`."""

from __future__ import annotations

from loadtests.load.http_load import HttpLoad
from loadtests.load.users import DelayUser


class Load(HttpLoad):
    """Closed users of the contract's main route, which is checked before any load."""

    user = DelayUser

    def configure(self) -> None:
        DelayUser.delay = f"{self.profile['delay_s']:g}"
