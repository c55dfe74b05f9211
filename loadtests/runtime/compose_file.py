"""The part of compose.yaml that names every service, written from the folders."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable

FIRST = "# From here to the next such line: written by `make lock`."
LAST = "# To here."
WIDTH = 96


def written(text: str, names: Iterable[str]) -> str:
    """The text of compose.yaml with the services `names`, and nothing else changed."""
    lines = [FIRST, *_lines(sorted(names)), LAST]
    return re.sub(f"{FIRST}.*{LAST}", lambda _: "\n".join(lines), text, count=1, flags=re.DOTALL)


def _lines(names: list[str]) -> list[str]:
    """What Locust offers, and for each service its image and how that is built."""
    targets = textwrap.wrap("${TARGETS:-" + " ".join(names) + "}", WIDTH, break_on_hyphens=False)
    services = [
        f"  {name}: {{<<: *service, image: waiting-services-{name},"
        f" build: {{<<: *build, args: {{<<: *python, SERVICE: {name}}}}}}}"
        for name in names
    ]
    return [
        "x-targets: &targets >-",
        *(f"  {line}" for line in targets),
        "x-services: &services",
        *services,
    ]
