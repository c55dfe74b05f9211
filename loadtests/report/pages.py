"""Text from the templates: pages in HTML, and Markdown."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from loadtests.report import facts, style, tables, trust
from loadtests.report.canvas import Chart
from loadtests.report.cells import CANNOT, LOWER_BOUND

TEMPLATES = Path(__file__).with_name("templates")


def html(template: str, **values: object) -> str:
    """A page; it holds its style sheet and needs nothing else."""
    css = Markup((TEMPLATES / "report.css").read_text())
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
    environment.filters |= {"md": escaped, "code": _code, "inline": _inline}
    environment.globals |= {
        "facts": facts,
        "tables": tables,
        "trust": trust,
        "LOWER_BOUND": LOWER_BOUND,
        "CANNOT": CANNOT,
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


def _inline(chart: Chart) -> Markup:
    """A chart's SVG for a page: scalable, named for screen readers, in the page's own colours."""
    svg = chart.svg[chart.svg.index("<svg") :]
    box = re.search(r'viewBox="[^"]*"', svg)
    assert box is not None  # matplotlib always writes one
    body = svg[svg.index(">") + 1 :].replace("xlink:href", "href")
    body = re.sub(r"<style.*?</style>", "", body, flags=re.DOTALL)
    # Matplotlib numbers its groups anew in each chart; nothing refers to them.
    body = re.sub(r'<g id="[^"]*"', "<g", body)
    for colour, name in ((style.INK, "ink"), (style.GRID, "grid"), (style.PAPER, "paper")):
        body = body.replace(colour, f"var(--{name})")
    return Markup(f'<svg role="img" aria-label="{escape(chart.alt)}" {box.group()}>{body}')
