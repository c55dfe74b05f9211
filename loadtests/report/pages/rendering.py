"""Text from the templates: pages in HTML, and Markdown."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from loadtests.report.pages import interactive
from loadtests.report.results import facts, troubles
from loadtests.report.tables import common, trust
from loadtests.report.tables.cells import CANNOT

TEMPLATES = Path(__file__).with_name("templates")


def html(template: str, **values: object) -> str:
    """A page; it holds its style sheet and scripts, and needs nothing else."""
    css = interactive.hues() + Markup((TEMPLATES / "report.css").read_text(encoding="utf-8"))
    return _environment(True).get_template(template).render(**values, css=css)


def markdown(template: str, **values: object) -> str:
    """A text in Markdown, with one empty line where the template has several."""
    text = _environment(False).get_template(template).render(**values)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@cache
def _environment(html: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": escaped, "code": _code, "slug": _slug, "headline": _headline}
    environment.filters["embedded"] = interactive.embedded
    environment.globals |= {
        "facts": facts,
        "troubles_of": troubles.of,
        "tables": common,
        "trust": trust,
        "CANNOT": CANNOT,
        "interactive": interactive,
    }
    return environment


def escaped(text: str) -> str:
    """A text in one line or table cell of Markdown, with nothing in it that Markdown would read."""
    text = re.sub(r"\s+", " ", text).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\`*_\[\]|~$#])", r"\\\1", text)


def _code(text: str) -> str:
    """A block of code in Markdown, fenced by more backticks than it has in a row."""
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", text)), 3)
    return f"{fence}text\n{text.rstrip()}\n{fence}"


def _slug(text: str) -> str:
    """The id of a heading."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _headline(finding: str) -> tuple[str, str]:
    """The first sentence of a finding, and the rest."""
    first, stop, rest = finding.partition(". ")
    return (first + stop).strip(), rest
