"""Pictures of the charts: for a desktop and for a phone, in the colours of white paper and of dark.

A page shows them at once. Vega, which draws the same charts with all that answers a pointer, is
read when somebody asks for it.
"""

from __future__ import annotations

import base64
import gzip
import json
import re

from loadtests.report.charts import theme
from loadtests.report.charts.chart import WIDTH, Chart
from loadtests.report.pages import interactive

PHONE = 350  # pixels: the column of a page on a phone
WIDTHS = {"": WIDTH, "-narrow": PHONE}
# Makes of a page one that charts.js can draw in: scripts are read from files, too, data is not.
PREPARE = """for (const [id, type, text] of %s) {
  document.head.append(Object.assign(document.createElement("script"), { id, type, text }));
}
"""


def of(name: str, chart: Chart) -> dict[str, str]:
    """The pictures of a chart by their paths."""
    return {
        f"charts/{name}{ending}.svg": in_both_papers(chart.still(width))
        for ending, width in WIDTHS.items()
    }


def in_both_papers(svg: str) -> str:
    """The picture with the colours of dark paper, too, for a reader who prefers that."""
    pairs = dict(zip(colours(False), colours(True), strict=True))
    rules = "".join(
        f'[{part}="{one}"]{{{part}:{other}}}'
        for one, other in pairs.items()
        for part in ("fill", "stroke")
        if f'{part}="{one}"' in svg
    )
    style = f"<style>@media (prefers-color-scheme:dark){{{rules}}}</style>"
    return re.sub(r"(<svg[^>]*>)", lambda start: start[0] + style, svg, count=1)


def colours(dark: bool) -> list[str]:
    """The colours of a paper, in the same order for both."""
    paper = theme.DARK if dark else theme.LIGHT
    hues = [pair[dark] for pair in theme.HUES.values()]
    return [*paper.values(), *hues]


def assets() -> dict[str, str]:
    """The scripts that draw charts and sort tables."""
    packed = base64.b64encode(gzip.compress(interactive.bundle().encode(), mtime=0)).decode()
    given = [
        ["chart-themes", "application/json", json.dumps(theme.of_pages())],
        ["vega-packed", "text/plain", packed],
    ]
    scripts = {
        f"assets/{name}": (interactive.TEMPLATES / name).read_text(encoding="utf-8")
        for name in ("charts.js", "tables.js")
    }
    return {"assets/vega.js": PREPARE % json.dumps(given), **scripts}
