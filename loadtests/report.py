"""Reports, charts and the index, made from the `run.json` files alone.

`python -m loadtests.report [RESULTS]` rebuilds all of them. Nothing in them
depends on when they were made, so that a second time changes no byte.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from loadtests import charts, facts, style, tables
from loadtests.catalog import ROOT
from loadtests.charts import Chart
from loadtests.record import InvalidRun, Run, load, write_atomically

TEMPLATES = Path(__file__).with_name("templates")
HEADLINE_PROFILE = "standard"
HEADLINE_CHART = "requests"
BEGIN = "<!-- newest standard run: begin -->"
END = "<!-- newest standard run: end -->"


class ReportError(Exception):
    """What could not be built; a line for each."""


@dataclass(frozen=True)
class Entry:
    """A run and the folder it was read from."""

    folder: Path
    run: Run


def write(folder: Path) -> None:
    """Write `report.md`, `report.html` and the charts beside the `run.json` in `folder`.

    InvalidRun if that file cannot be read. An interrupted run is reported as far as it went.
    """
    _write(Entry(folder, load(folder / "run.json")))


def rebuild(results: Path, readme: Path | None) -> list[Path]:
    """Rewrite all reports in `results`, its index, and the newest standard run in `readme`.

    Returns the folders that were rewritten. Whatever cannot be built is left
    as it is, the rest is built, and then ReportError says what it was.
    """
    entries, wrong = _read(results)
    drawn = {entry.folder: _write(entry) for entry in entries}
    entries.sort(key=lambda entry: (entry.run.started_at, entry.folder.name), reverse=True)
    write_atomically(results / "README.md", _markdown("index.md.j2", entries=entries))
    if readme is not None:
        try:
            _write_readme(readme, entries, drawn)
        except ReportError as error:
            wrong.append(str(error))
    if wrong:
        raise ReportError("\n".join(wrong))
    return [entry.folder for entry in entries]


def _read(results: Path) -> tuple[list[Entry], list[str]]:
    """The runs in `results`, and a line for each folder that holds none."""
    entries, wrong = [], []
    for folder in sorted(results.iterdir()):
        if not folder.is_dir() or folder.name.startswith("."):
            continue
        try:
            entries.append(Entry(folder, load(folder / "run.json")))
        except InvalidRun as error:
            wrong.append(str(error).replace("\n", " "))
    return entries, wrong


def _write(entry: Entry) -> list[Chart]:
    drawn = charts.draw(entry.run)
    for chart in drawn:
        write_atomically(entry.folder / f"{chart.name}.svg", chart.svg)
    html, markdown = _html(entry.run, drawn), _markdown("report.md.j2", run=entry.run, charts=drawn)
    write_atomically(entry.folder / "report.html", html)
    write_atomically(entry.folder / "report.md", markdown)
    return drawn


def _html(run: Run, drawn: list[Chart]) -> str:
    css = Markup((TEMPLATES / "report.css").read_text())
    return _environment(True).get_template("report.html.j2").render(run=run, charts=drawn, css=css)


def _markdown(template: str, **values: object) -> str:
    text = _environment(False).get_template(template).render(**values)
    text = re.sub(r"[ \t]+$", "", text, flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _write_readme(readme: Path, entries: list[Entry], drawn: dict[Path, list[Chart]]) -> None:
    """Replace what stands between the markers by the newest standard run that was finished."""
    text = readme.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1 or text.index(BEGIN) > text.index(END):
        raise ReportError(
            f"{readme}: the lines {BEGIN} and {END} must be there, once, in this order"
        )
    runs = (e for e in entries if e.run.profile == HEADLINE_PROFILE and e.run.finished_at)
    newest = next(runs, None)
    if newest is None:
        block = _markdown("headline.md.j2", run=None)
    else:
        shown = (c for c in drawn[newest.folder] if c.name.startswith(HEADLINE_CHART))
        folder = Path(os.path.relpath(newest.folder, readme.parent)).as_posix()
        block = _markdown("headline.md.j2", run=newest.run, folder=folder, chart=next(shown, None))
    before, after = text[: text.index(BEGIN)], text[text.index(END) :]
    write_atomically(readme, f"{before}{BEGIN}\n{block}{after}")


@cache
def _environment(html: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=html,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"md": _escaped, "code": _code, "inline": _inline}
    environment.globals |= {"facts": facts, "tables": tables}
    return environment


def _escaped(text: str) -> str:
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


def main() -> int:
    """Rebuild everything; 1 and a line on stderr for each thing that could not be built."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.report", description=main.__doc__)
    parser.add_argument("results", nargs="?", type=Path, default=ROOT / "results")
    parser.add_argument("--readme", type=Path, default=ROOT / "README.md")
    arguments = parser.parse_args()
    try:
        folders = rebuild(arguments.results, arguments.readme)
    except (ReportError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(folders)} reports rebuilt")
    return 0


if __name__ == "__main__":
    sys.exit(main())
