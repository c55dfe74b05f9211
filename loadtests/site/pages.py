"""The pages of the site: templates, and links that hold wherever the site lies."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from loadtests.catalog import Service
from loadtests.report.pages import interactive, rendering
from loadtests.report.results import facts, troubles
from loadtests.report.tables import common, trust
from loadtests.report.tables.cells import CANNOT
from loadtests.site.pictures import PHONE

TEMPLATES = Path(__file__).with_name("templates")
# The pages that every page links to, by their titles.
PLACES = {
    "index.html": "Answer",
    "results.html": "Results",
    "services.html": "Services",
    "clients.html": "Clients",
    "trend.html": "Over time",
    "compare.html": "Compare",
}
# The columns whose cells name a service: those are links to its page.
NAMING = ("service", "first", "second")
# HTML needs them in no table, and there are tens of thousands: end tags, and quotes of one word.
END_TAG = re.compile(r"</t[dhr]>\s*(?=</?t[dhrb])")
QUOTED = re.compile(r'(<t[dhr] (?:class|id)=)"([\w.-]+)"')


@dataclass
class Pages:
    """The pages of a site by their paths; each of the `services` has one that others link to."""

    services: list[Service]
    files: dict[str, str] = field(default_factory=dict)

    def add(self, path: str, template: str, title: str, **values: Any) -> None:
        """Render a page; in it `root` leads to the top of the site."""
        root = "../" * path.count("/")
        text = self._environment.get_template(template).render(
            **values, path=path, root=root, title=title, places=PLACES
        )
        text = QUOTED.sub(r"\1\2", END_TAG.sub("", text))
        self.files[path] = re.sub(r"\n\s*\n+", "\n", text).strip() + "\n"

    @cached_property
    def _environment(self) -> jinja2.Environment:
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader([TEMPLATES, rendering.TEMPLATES]),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters |= {"slug": slug, "size": size, "code": code}
        environment.filters["embedded"] = interactive.embedded
        environment.globals |= {
            "facts": facts,
            "troubles_of": troubles.of,
            "tables": common,
            "trust": trust,
            "CANNOT": CANNOT,
            "NAMING": NAMING,
            "interactive": interactive,
            "phone": PHONE,
            "known": {service.name for service in self.services},
        }
        return environment


def slug(text: str) -> str:
    """A text as part of a file's name, or as an id."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-") or "x"


def code(text: str) -> Markup:
    """The text of a file within a `pre`, with the empty lines that a page has nowhere else."""
    return Markup(html.escape(text, quote=False).replace("\n\n", "\n&#10;"))


def size(svg: str) -> tuple[int, int]:
    """Width and height of a picture, so that a page keeps its place."""
    box = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    assert box is not None  # every picture has one
    return round(float(box[1])), round(float(box[2]))
