"""Where the requests of users are counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from loadtests.load.failure import RequestFailed


@dataclass
class Counts:
    """Requests of all users of a class in the process.

    They are no attributes of the class: to set one empties caches of the interpreter's.
    """

    in_flight: int = 0
    arrived: int = 0  # of an open workload, dropped ones too


class Recorder(Protocol):
    """Told of requests in the place of Locust, whose statistics take longer than a request."""

    def count(
        self,
        name: str,
        response_time_ms: float | None,
        length: int,
        failure: RequestFailed | None,
        context: dict[str, Any],
    ) -> None:
        """Count one, without waiting: gevent's hub may call this. None of it is one not sent."""
