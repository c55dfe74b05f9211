"""The part of compose.yaml that names every service, written from the folders."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

from loadtests.catalog import FLOOR, Service

FIRST = "# From here to the next such line: written by `make lock`."
LAST = "# To here."
WIDTH = 96


def written(text: str, services: Iterable[Service]) -> str:
    """The text of compose.yaml with these services, and nothing else changed."""
    lines = [FIRST, *_lines(list(services)), LAST]
    return re.sub(f"{FIRST}.*{LAST}", lambda _: "\n".join(lines), text, count=1, flags=re.DOTALL)


def _lines(services: list[Service]) -> list[str]:
    """The targets that Locust offers, and for each service its image and how that is built.

    The floor is for measurements: it is there where it is named, not in `docker compose up`.
    """
    names = [service.name for service in services if service.kind != FLOOR]
    targets = textwrap.wrap("${TARGETS:-" + " ".join(names) + "}", WIDTH, break_on_hyphens=False)
    lines = [
        f"  {one.name}: {{<<: *service,{' profiles: [floor],' * (one.kind == FLOOR)}"
        f" image: waiting-services-{one.name},"
        f" build: {{<<: *build, args: {{<<: *python, SERVICE: {one.name}}}}}}}"
        for one in services
    ]
    return [
        "x-targets: &targets >-",
        *(f"  {line}" for line in targets),
        "x-services: &services",
        *lines,
    ]
