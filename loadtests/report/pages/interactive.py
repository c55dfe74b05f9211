"""All that draws a page's charts: Vega, their colours, a script, and the choice of services.

For a page of any kind: `<style>{{ hues() }}…`, the macros of figure.html.j2 for the charts and the
choice, and at its end `scripts()`.
"""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import vl_convert
from markupsafe import Markup

from loadtests.catalog import KINDS
from loadtests.paths import CACHE
from loadtests.record import Run, write_atomically
from loadtests.report.charts import theme
from loadtests.report.charts.chart import VEGA_LITE
from loadtests.report.results import facts

TEMPLATES = Path(__file__).with_name("templates")
KEPT = CACHE / f"vega-{version('vl-convert-python')}-{VEGA_LITE}.js"
OWN = ("fold.js", "charts.js", "tables.js")
SNIPPET = "window.vegaEmbed = vegaEmbed;"


@dataclass(frozen=True)
class Choice:
    """The services that a page has charts of, each with its look."""

    services: dict[str, theme.Look]

    @property
    def models(self) -> list[str]:
        """The models there are, in the order of their hues."""
        return [name for name in theme.MODELS if name in {one.model for one in self._looks()}]

    @property
    def kinds(self) -> list[str]:
        """The kinds there are."""
        return [name for name in KINDS if name in {one.kind for one in self._looks()}]

    def _looks(self) -> Iterable[theme.Look]:
        return self.services.values()


def choice(*runs: Run) -> Choice:
    """The services of some runs, each once."""
    found: dict[str, theme.Look] = {}
    for run in runs:
        for name in facts.with_doubles(run, facts.services(run)):
            found.setdefault(name, theme.look(run, name))
    return Choice(found)


@cache
def bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script of 0.9 MB; kept, as it takes seconds to make.

    Packed in a page it is less than half of that, and the browser unpacks it.
    """
    if not KEPT.exists():
        KEPT.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(KEPT, vl_convert.javascript_bundle(SNIPPET, vl_version=VEGA_LITE))
    return KEPT.read_text(encoding="utf-8")


@cache
def scripts() -> Markup:
    """All that draws the charts of a page and sorts its tables; it stands at the page's end."""
    own = [(TEMPLATES / name).read_text(encoding="utf-8") for name in OWN]
    packed = base64.b64encode(gzip.compress(bundle().encode(), mtime=0)).decode()
    return Markup(
        f'<script type="application/json" id="chart-themes">{embedded(theme.of_pages())}</script>\n'
        f'<script type="text/plain" id="vega-packed">{packed}</script>\n'
        + "".join(f"<script>\n{text}\n</script>\n" for text in own)
    )


def embedded(document: Any) -> Markup:
    """JSON that stands within a page, with nothing in it that could end a script."""
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    return Markup(text.replace("<", "\\u003c"))


def hues() -> Markup:
    """The hue of each model as a variable of CSS, on white paper and on dark."""
    light, dark = (
        " ".join(f"--{name}: {pair[paper]};" for name, pair in theme.HUES.items())
        for paper in (0, 1)
    )
    return Markup(
        f":root {{ {light} }}\n"
        f"@media screen and (prefers-color-scheme: dark) {{ :root {{ {dark} }} }}\n"
    )
